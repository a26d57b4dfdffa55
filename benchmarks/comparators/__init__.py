"""The reference runs as an expert would write them by hand in each framework, to time against."""
