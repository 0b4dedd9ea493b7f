from .draw import draw_figure as draw_figure
from .registry import FIGURES as FIGURES
from .registry import FigureSpec as FigureSpec
from .registry import figures_of as figures_of
