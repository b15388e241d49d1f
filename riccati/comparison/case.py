"""A run as it is tested: the problem that its keys describe, its readings, and the same run under other keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ..runs import Run
from ..support import ArgumentError
from .causes import Cause
from .draws import Draws, DrawSetting
from .observation import Observation, Readings

_PATIENCE = 60.0  # seconds that one set of replicas may take where many sets are tried


@dataclass(frozen=True, eq=False)
class Case:
    """A run, the problem that its keys describe, and the numbers of the run that are compared with draws.

    Attributes:
        observation: the run.
        setting: the problem, and the steps at which run and draws are compared.
        readings: the run at these steps.
    """

    observation: Observation
    setting: DrawSetting
    readings: Readings

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.observation.run

    @cached_property
    def draws(self) -> Draws:
        """The draws of theory for this problem, however long they take."""
        return self.setting.drawn_at_any_cost()

    @property
    def quick_draws(self) -> Draws | None:
        """The draws of theory where they take less than a minute, None where they take longer or there are none."""
        try:
            patient = self.setting.has_replicas and self.setting.seconds <= _PATIENCE
            return self.setting.of_sgd() if patient else self.setting.of_law()
        except ArgumentError:
            return None

    def with_cause(self, cause: Cause) -> Case | None:
        """The case with the keys changed by `cause`; None where theory has no draws for the problem they describe."""
        try:
            changed = Observation(cause.changed(self.run))
            start = changed.run.start
            if start is None or changed.unknown_step(start) or not len(changed.rows):
                return None
            setting = DrawSetting.of(changed, changed.run.teacher, start, self.setting.replicas)
        except ArgumentError:
            return None
        readings = changed.readings(None if self.readings.emerged is None else changed.run.overlaps)
        return Case(changed, setting, replace(readings, noise=self.readings.noise))
