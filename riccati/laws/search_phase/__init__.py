"""k > 2: the search phase as a diffusion, its forward equation, and the competition of neurons for directions."""
