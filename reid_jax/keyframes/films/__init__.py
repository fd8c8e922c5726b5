"""Video files in; scenes, keyframes, clips and features out."""
