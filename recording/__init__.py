"""What is recorded, and what becomes of the files: policy, checks, store, playback."""
