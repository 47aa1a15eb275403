libmproc_la_SOURCES += \
	%D%/builder.c \
	%D%/decode.c \
	%D%/decode_fast.c \
	%D%/encode.c \
	%D%/encode_fast.c \
	%D%/envelope.c \
	%D%/message.h \
	%D%/msg.c %D%/msg.h \
	%D%/msg_read.c \
	%D%/msg_set.c \
	%D%/print.c \
	%D%/schema.c \
	%D%/token.c %D%/token.h \
	%D%/value.c \
	%D%/write.c %D%/write.h
