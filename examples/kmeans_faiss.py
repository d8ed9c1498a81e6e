"""faiss on the points of the example kmeans_speed: times and squared errors to compare with.

    pip install faiss-cpu numpy
    cargo run --release --example kmeans_speed -- --write points.f32
    python examples/kmeans_faiss.py points.f32 [K ...]

Two threads, 10 iterations, all points (faiss would take 256 a codeword by itself).
"""

import resource
import sys
import time

import faiss
import numpy as np

D, ITERATIONS, THREADS = 10, 10, 2


def main():
    faiss.omp_set_num_threads(THREADS)
    points = np.fromfile(sys.argv[1], dtype="<f4").reshape(-1, D)
    for k in [int(k) for k in sys.argv[2:]] or [256, 4096]:
        clock, before = time.time(), resource.getrusage(resource.RUSAGE_SELF)
        kmeans = faiss.Kmeans(D, k, niter=ITERATIONS, seed=1, max_points_per_centroid=10**9)
        kmeans.train(points)
        wall, after = time.time() - clock, resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        distances, _ = kmeans.index.search(points, 1)
        error = distances.astype(np.float64).sum()
        print(f"faiss {faiss.__version__}, K = {k}: {wall * 1e3:.1f} ms; {cpu:.2f} CPU s; squared error {error:.1f}")


main()
