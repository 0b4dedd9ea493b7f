"""What the figures share: style, layout, axes, marks, and the table of what is plotted."""
