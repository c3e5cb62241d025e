"""The link to Asterisk over AMI: whole frames, typed events and actions, one port (`cti.ami.link`).

Nothing outside this package sees a type of panoramisk.
"""
