"""From images to weights: one step, the loop around it, its machine, and what it leaves."""
