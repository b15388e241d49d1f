"""Pictures, from axes and arrays alone: theory is drawn as lines, SGD as points."""

from .pages import ComparisonText as ComparisonText
from .pages import band_page as band_page
from .pages import comparison_page as comparison_page
from .pages import risk_and_overlap_page as risk_and_overlap_page
from .pages import risk_band_page as risk_band_page
from .panels import Band as Band
from .panels import Curve as Curve
from .panels import EmergenceTimes as EmergenceTimes
from .panels import band_panel as band_panel
from .panels import emergence_panel as emergence_panel
from .panels import frontier_panel as frontier_panel
from .panels import overlap_panel as overlap_panel
from .panels import power_law_panel as power_law_panel
from .panels import risk_panel as risk_panel
from .style import COLOURS as COLOURS
from .style import COLUMN as COLUMN
from .style import PAGE as PAGE
from .style import curve_with_spread as curve_with_spread
from .style import plain_ticks as plain_ticks
from .style import points_with_spread as points_with_spread
from .style import reference_slope as reference_slope
from .style import shades as shades
from .style import sheet as sheet
from .style import spread_out as spread_out
from .style import style as style
