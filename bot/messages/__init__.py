"""Every Slack text, block and action id. Pure: values in, messages out; `now` is always an argument."""
