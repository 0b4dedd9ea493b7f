from .captions import caption_html as caption_html
from .page import render_report as render_report
from .publish import publish_study as publish_study
from .publish import redraw_published as redraw_published
