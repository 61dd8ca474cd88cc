"""Studies beside the main line: label delay, the fitted model of the service, power of an A/B test, scorers, stores."""
