"""The command line, and its cache of compiled programs."""

from .app import app as app
from .app import main as main
from .app import use_cache as use_cache
from .options import say_renamed as say_renamed
from .options import with_options as with_options
from .options import written_to_out as written_to_out
