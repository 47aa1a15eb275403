/*
 * peer_mpi.c - MPI: rank 0 is the front, each other rank a backend; run by
 * mpirun -n BACKENDS+1.
 *
 * Fast settings: the shared-memory transport alone (run.py says so to
 * mpirun).  Its ranks poll for as long as they live; they yield the
 * processor when there are more ranks than processors.  Starting a process
 * is not a part of it that could be compared.
 */
#include <errno.h>
#include <stdlib.h>

#include <mpi.h>

#include "peer.h"

#define TAG	1

static int
fault(int code)
{
	return code == MPI_SUCCESS ? 0 : -EIO;
}

static int
backend(size_t size)
{
	unsigned char *data = calloc(1, size);
	struct peer_answer answer;
	int64_t taken = 0;
	int r = 0;

	while (data != NULL && r == 0) {
		r = MPI_Recv(data, (int)size, MPI_BYTE, 0, TAG,
		    MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		if (data[0] == PEER_STOP)
			break;
		taken++;
		if (data[0] != PEER_ASK)
			continue;
		peer_answer(taken, &answer);
		r = MPI_Send(&answer, sizeof(answer), MPI_BYTE, 0, TAG,
		    MPI_COMM_WORLD);
	}
	free(data);
	return r != 0;
}

static int
open_all(int n, size_t size)
{
	int ranks = 0;

	(void)size;
	(void)MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	return n == ranks - 1 ? 0 : -EINVAL;
}

static int
send_one(int i, const void *data, size_t size)
{
	return fault(MPI_Send(data, (int)size, MPI_BYTE, i + 1, TAG,
	    MPI_COMM_WORLD));
}

static int
recv_one(int i, struct peer_answer *ret)
{
	return fault(MPI_Recv(ret, sizeof(*ret), MPI_BYTE, i + 1, TAG,
	    MPI_COMM_WORLD, MPI_STATUS_IGNORE));
}

static int
front(int argc, char **argv, int ranks)
{
	static const struct peer mpi = {
		.open = open_all, .send = send_one, .recv = recv_one,
	};
	unsigned char stop[PEER_MIN] = { PEER_STOP };
	int i, r;

	r = peer_main(argc, argv, &mpi);
	for (i = 1; i < ranks; i++)
		(void)MPI_Send(stop, sizeof(stop), MPI_BYTE, i, TAG,
		    MPI_COMM_WORLD);
	return r;
}

int
main(int argc, char **argv)
{
	int rank = 0, ranks = 0, r = 2;

	if (MPI_Init(&argc, &argv) != MPI_SUCCESS)
		return 1;
	(void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	(void)MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	if (rank == 0)
		r = front(argc, argv, ranks);
	else if (argc == 4)
		r = backend(peer_size(argv[1], strtol(argv[2], NULL, 10)));
	(void)MPI_Finalize();
	return r;
}
