"""The Django project in which the tests run."""
