"""Runs of SGD by any program: read from logs, recorded in a training loop, or made of arrays."""

from .config import RunConfig as RunConfig
from .conventions import algorithm_keys as algorithm_keys
from .conventions import overlap_of as overlap_of
from .formats import is_run_file as is_run_file
from .formats import sample_runs as sample_runs
from .keys import KEYS as KEYS
from .keys import keys_table as keys_table
from .loss_column import line_on_noise as line_on_noise
from .loss_column import noise_in_loss as noise_in_loss
from .loss_column import relative_loss as relative_loss
from .problem_keys import start_keys as start_keys
from .problem_keys import teacher_keys as teacher_keys
from .problem_keys import with_second_layer as with_second_layer
from .rates import sgd_of_run as sgd_of_run
from .recorder import Recorder as Recorder
from .run import Run as Run
from .values import CONVENTIONS as CONVENTIONS
from .values import KINDS as KINDS
from .values import OVERLAPS as OVERLAPS
