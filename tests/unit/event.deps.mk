UNIT_SRC_test_event := user/event.c user/event_fields.c user/event_read.c
