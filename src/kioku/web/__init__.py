"""The web page: what was recorded and learned, to be looked at in a browser on this machine."""
