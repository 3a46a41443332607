"""STL-10: its four labelled files, out of the archive that its authors serve.

Source: Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature
Learning", AISTATS 2011, https://cs.stanford.edu/~acoates/stl10/. How they come here:
docs/stl10.md.
"""

__all__ = ["describe", "drawable", "subjects", "write"]

from whitepatch.sources.stl10.fetch import write
from whitepatch.sources.stl10.labelled import describe, drawable, subjects
