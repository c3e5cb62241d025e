"""The call model: AMI events become domain events of calls, and those build the state of the calls.

`channels` reads channel names, `wiring` knows bridges and Local channels, `merge` has the rules of
what belongs to which call, `tables` has every legal transition, `book` applies domain events to the
calls, `model` decides them from AMI events and `adopt` from a snapshot of the PBX.
"""
