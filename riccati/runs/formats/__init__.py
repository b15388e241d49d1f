"""The formats of logs: text, structured files, tables in memory; and a run's files themselves."""

from .files import LINES as LINES
from .files import NPZ as NPZ
from .files import PARQUET as PARQUET
from .files import TEXT as TEXT
from .files import TRAINER as TRAINER
from .files import is_run_file as is_run_file
from .files import located as located
from .files import read_sidecar as read_sidecar
from .files import run_bytes as run_bytes
from .files import sample_runs as sample_runs
from .files import sidecar_path as sidecar_path
from .files import stem_and_suffix as stem_and_suffix
from .files import write_run as write_run
from .frames import read_frame as read_frame
from .structured import read_json_lines as read_json_lines
from .structured import read_npz as read_npz
from .structured import read_parquet as read_parquet
from .structured import read_trainer_state as read_trainer_state
from .text import read_text as read_text
