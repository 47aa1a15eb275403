libmproc_la_SOURCES += \
	%D%/awake.c %D%/awake.h \
	%D%/backend.c %D%/backend.h \
	%D%/backend_loop.c \
	%D%/backend_message.c \
	%D%/backend_notify.c \
	%D%/backend_send.c \
	%D%/backend_watch.c \
	%D%/child.c \
	%D%/class.c %D%/class.h \
	%D%/clone.c \
	%D%/forkserver.c \
	%D%/forkserver_main.c \
	%D%/launch.c %D%/launch.h \
	%D%/launch_fork.c \
	%D%/launch_init.c \
	%D%/launch_order.c \
	%D%/launch_spawn.c \
	%D%/launch_thread.c \
	%D%/place.c \
	%D%/process.c %D%/process.h \
	%D%/process_batch.c \
	%D%/process_death.c \
	%D%/process_future.c \
	%D%/process_input.c \
	%D%/process_notify.c \
	%D%/process_pump.c \
	%D%/process_reserve.c \
	%D%/process_send.c \
	%D%/process_set.c \
	%D%/process_start.c \
	%D%/process_stats.c \
	%D%/process_stop.c \
	%D%/term.c \
	%D%/title.c \
	%D%/boot.h \
	%D%/control.h \
	%D%/page.h
