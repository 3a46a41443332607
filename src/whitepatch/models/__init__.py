"""The networks. Axes, everywhere in this package.

B images, C channels, H rows, W columns of a feature map; N = H * W tokens; h heads.
"""
