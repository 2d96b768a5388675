"""One training loop for every kind of model, with everything that keeps, watches and resumes it."""
