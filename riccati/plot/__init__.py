"""Pictures: a leaf that knows axes and arrays only. Theory is lines, SGD is points."""

from .pages import band_page as band_page
from .pages import comparison_page as comparison_page
from .pages import course_page as course_page
from .panels import Band as Band
from .panels import Curve as Curve
from .panels import EmergenceTimes as EmergenceTimes
from .panels import band_panel as band_panel
from .panels import emergence_panel as emergence_panel
from .panels import overlap_panel as overlap_panel
from .panels import risk_panel as risk_panel
from .style import COLOURS as COLOURS
from .style import style as style
