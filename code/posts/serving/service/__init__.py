"""Around the engine: settings, HTTP, admission, keys, metrics, draining; and how it is started."""
