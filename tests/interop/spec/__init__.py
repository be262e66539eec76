"""What is known of channels_redis 4.3 on the wire, checked against the package itself.

These tests open no subject: they keep our picture of the original true. If a new version turns one
red, the layer has something to follow.
"""
