"""An SGD run of anyone's, read from the files people have."""

from .config import CONVENTIONS as CONVENTIONS
from .config import KINDS as KINDS
from .config import OVERLAPS as OVERLAPS
from .config import overlap_of as overlap_of
from .formats import is_run_file as is_run_file
from .formats import sample_runs as sample_runs
from .keys import KEYS as KEYS
from .problem_keys import start_keys as start_keys
from .problem_keys import teacher_keys as teacher_keys
from .problem_keys import with_second_layer as with_second_layer
from .recorder import Recorder as Recorder
from .run import Run as Run
