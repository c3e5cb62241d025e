"""The real core against a simulated Asterisk: fault runs by seed, and scenarios with statistics."""
