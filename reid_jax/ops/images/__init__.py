"""What happens to pixels: augmentation, colour, warps, water."""
