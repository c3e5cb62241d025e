"""The HTTP and WebSocket edge: sign-in, REST, live view, the browser application."""
