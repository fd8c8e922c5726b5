"""Videos: files, folders of frames, features in H5 files, and the folds they are divided into."""
