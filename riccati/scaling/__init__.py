"""Scaling laws: limits, rates, fits with intervals, frontiers, step sizes, and inference from a run's risk curve."""

from ..support import warn_renamed
from .additive import AdditiveModel as AdditiveModel
from .additive import Asymptote as Asymptote
from .additive import asymptote as asymptote
from .collapse import Collapse as Collapse
from .collapse import Distance as Distance
from .collapse import collapse as collapse
from .collapse import distance as distance
from .fitting import PowerLawFit as PowerLawFit
from .fitting import fit_power_law as fit_power_law
from .frontier import Frontier as Frontier
from .frontier import frontier as frontier
from .frontier import measured_frontier as measured_frontier
from .inference import InferredBeta as InferredBeta
from .inference import InferredSecondLayer as InferredSecondLayer
from .inference import best_shift as best_shift
from .inference import infer_beta as infer_beta
from .inference import infer_second_layer as infer_second_layer
from .inference import profile_of as profile_of
from .inference import threshold as threshold
from .inference import whitened as whitened
from .limits import SharpLimit as SharpLimit
from .limits import power_sum as power_sum
from .limits import sharp_limit as sharp_limit
from .rates import Rate as Rate
from .rates import rates as rates
from .samples import SampleCost as SampleCost
from .samples import risk_in_samples as risk_in_samples
from .samples import samples_to_learn as samples_to_learn
from .shapes import Escape as Escape
from .shapes import Logistic as Logistic
from .shapes import Shape as Shape
from .shapes import Skill as Skill
from .shapes import StepFunction as StepFunction
from .shapes import mellin as mellin
from .step_size import ScheduleReport as ScheduleReport
from .step_size import StepPlan as StepPlan
from .step_size import decay as decay
from .step_size import optimal_schedule as optimal_schedule
from .step_size import recommended_step as recommended_step


def __getattr__(name: str) -> object:
    if name == "Step":
        warn_renamed("riccati.scaling.Step", "riccati.scaling.StepFunction")
        return StepFunction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
