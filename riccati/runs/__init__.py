"""An SGD run of anyone's, read from the files people have."""

from .recorder import Recorder as Recorder
from .run import Run as Run
from .run import sample_runs as sample_runs
