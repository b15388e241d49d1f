"""Pictures on the site's pages."""

from __future__ import annotations

import base64
import html
import io

from matplotlib.figure import Figure


def picture(figure: Figure, alt: str) -> None:
    """Print a figure as an image that a page holds, with `alt` for those who cannot see it."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=130, metadata={"Software": None})
    text = base64.b64encode(held.getvalue()).decode()
    print(f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{text}">')
