"""Tables, figures and pages of results; knows no question."""
