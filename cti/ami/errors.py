"""What can go wrong on the AMI link. Every message says what to do.

- AmiError
  - AmiEncodeError: an action that must not be sent
  - MalformedFrameError: a frame from the wire that is not AMI
  - LoginRefusedError: Asterisk does not let us in
  - LinkDownError: there is no link now
  - ListFailedError: a list action was not answered whole
    - RightsMissingError: the account may not do what the link needs
"""

from __future__ import annotations


class AmiError(Exception):
    """Root of the link's errors."""


class AmiEncodeError(AmiError, ValueError):
    """The action would not reach Asterisk as meant; nothing was sent."""


class MalformedFrameError(AmiError):
    """A frame that cannot be read. The link counts and keeps it and goes on."""


class LoginRefusedError(AmiError):
    """Asterisk refused the account: mend user, secret or `permit`, here or in manager.conf."""


class LinkDownError(AmiError):
    """There is no link to Asterisk; ask again when its state is ready."""


class ListFailedError(AmiError):
    """A list action was refused, cut or late; read the whole list again."""


class RightsMissingError(ListFailedError):
    """The manager account lacks rights; give it call, agent, user and reporting in manager.conf."""
