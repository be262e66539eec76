"""The parties of the interop tests: a subject, real Django channel layers, and real Redis servers.

The tests use them; nothing here asserts anything.
"""
