"""What every stage stands on: parameters, paths, files, and what a stage is given."""
