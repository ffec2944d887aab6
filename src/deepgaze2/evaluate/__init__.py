"""How well densities predict fixations, in bits per fixation."""
