"""Customers and the screen pop."""
