internal import Geospatial
internal import Glibc
internal import Synchronization

/// SHA-256 of the source on a thread of its own, beside the load: both read the same pages of the file cache.
///
/// The thread takes a reference of its own, shares nothing but the mutex and the flag, and is joined before the digest is
/// read.
final class SourceDigest: Sendable {
  private let files: SourceFiles
  private let outcome = Mutex<Result<String, GeospatialError>?>(nil)
  private let stopped = Atomic<Bool>(false)
  private let thread = Mutex<Thread?>(nil)

  init(_ files: SourceFiles) {
    self.files = files
    thread.withLock { $0 = Thread { self.compute() } }
  }

  private func compute() {
    do throws(GeospatialError) {
      let hex = try files.sha256 { !stopped.load(ordering: .relaxed) }
      outcome.withLock { $0 = .success(hex) }
    } catch {
      outcome.withLock { $0 = .failure(error) }
    }
  }

  /// Waits for the digest, in hex.
  func value(while waiting: () throws -> Void) throws -> String {
    while thread.withLock({ $0 != nil }), outcome.withLock({ $0 == nil }) {
      usleep(2_000)
      try waiting()
    }
    join()
    if outcome.withLock({ $0 == nil }) { compute() }  // No thread was to be had.
    return try outcome.withLock { $0 }!.get()
  }

  /// Ends the work early.
  func stop() {
    stopped.store(true, ordering: .relaxed)
    join()
  }

  private func join() {
    let running = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    running?.join()
  }
}
