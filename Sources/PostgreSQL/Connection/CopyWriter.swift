/// Takes the data of a `COPY … FROM STDIN`, in whatever chunks the caller has (some 64 KiB is a good size). A write returns
/// once the socket has taken it, so a slow server slows the writer down.
public final class CopyWriter: Sendable {
  private let session: Session

  private init(_ session: Session) { self.session = session }

  /// Sends bytes in the format the statement named.
  public func write(_ bytes: [UInt8]) async throws(PostgresError) {
    let error = await withCheckedContinuation { (continuation: CheckedContinuation<PostgresError?, Never>) in
      session.thread.perform { [session] in
        session.assumeIsolated { session in
          if let error = session.putCopyData(bytes) {
            continuation.resume(returning: error)
          } else {
            session.waitForSocket(continuation)
          }
        }
      }
    }
    if let error { throw error }
  }

  nonisolated(nonsending) static func run(
    _ sql: String, on session: Session, owner: UInt64?, _ body: (CopyWriter) async throws -> Void
  ) async throws -> Int {
    _ = try await session.submit(.copy(sql), owner: owner).get()
    do {
      try await body(CopyWriter(session))
    } catch {
      _ = await end("the writer failed", session)
      throw error
    }
    return try await end(nil, session).get().first?.affectedRows ?? 0
  }

  private static func end(_ failure: String?, _ session: Session) async -> Result<[PGResult], PostgresError> {
    await withCheckedContinuation { continuation in
      session.thread.perform { session.assumeIsolated { $0.endCopy(failure, continuation) } }
    }
  }
}
