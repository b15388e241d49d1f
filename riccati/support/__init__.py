"""What every room uses: refusals, checks, files that are whole or absent, progress bars. Imports no JAX."""

from .arrays import all_numbers as all_numbers
from .arrays import as_numbers as as_numbers
from .arrays import is_missing as is_missing
from .arrays import kind_in_words as kind_in_words
from .arrays import require_unmasked as require_unmasked
from .checks import is_traced as is_traced
from .checks import require as require
from .checks import require_finite as require_finite
from .checks import require_integer as require_integer
from .checks import require_open_unit as require_open_unit
from .checks import require_real as require_real
from .checks import require_times as require_times
from .errors import ArgumentError as ArgumentError
from .files import require_folder as require_folder
from .files import whole_file as whole_file
from .interrupts import Stopped as Stopped
from .interrupts import StopRequest as StopRequest
from .interrupts import orderly_stop as orderly_stop
from .locks import sole_writer as sole_writer
from .memory import require_memory as require_memory
from .modules import restored as restored
from .progress import announce as announce
from .progress import duration as duration
from .progress import progress as progress
from .provenance import package_versions as package_versions
