extension ServerConnection {
  // MARK: Ends

  /// The handler's result. Does nothing when the stream has ended without it.
  package func finish(_ stream: ServerStream, _ reply: Reply) {
    stream.handlerActive = false
    guard streams[stream.id] === stream else { return }
    let cause = stream.cause
    guard stream.enter(.handlerReturned) == .endWithResult else { return }
    if let cause { return choose(stream, cause) }
    switch reply {
    case .status(let status):
      // What the handler has sent before leaves before.
      guard stream.hasQueued else { return choose(stream, status) }
      stream.end = status
      stream.bookmarkAt = .never
      markReady(stream)
    case .encoded:
      finish(stream, bytes: takeAnswer(), trailers: [])
    case .message(let bytes, let trailers):
      finish(stream, bytes: bytes, trailers: trailers)
    }
  }

  private func finish(_ stream: ServerStream, bytes: [UInt8], trailers: [MetadataEntry]) {
    if bytes.count > peer.maxMessage {
      return choose(stream, .messageTooLarge(UInt64(bytes.count), limit: peer.maxMessage))
    }
    stream.outgoing = Outgoing(bytes: bytes)
    hold(stream, bytes.count)
    stream.end = EndStatus(.ok, trailers: trailers)
    stream.stateDeadline = .never
    markReady(stream)
    enforceResponseBudget()
  }

  /// Something other than the handler ends the stream: a peer's breach, a cancel, a deadline, the drain.
  func end(_ stream: ServerStream, because status: EndStatus, by input: StreamInput = .cause) {
    switch stream.enter(input) {
    case .end:
      release(stream)
      choose(stream, status)
    case .tellHandler:
      stream.cause = status
      stream.deadline = .never
      stream.stateDeadline = now + settings.handlerGrace
      arm(stream.stateDeadline)
      delegate.cancelled(stream, status.code)
      // A stream whose handler has returned is a table entry only: nobody is left to wait for.
      if !stream.handlerActive { finish(stream, .status(status)) }
    case .replaceEnd:
      if stream.outgoing != nil || stream.hasQueued { choose(stream, status) }
    default:
      break
    }
  }

  /// Fixes what END will say. It carries no message and waits for nothing.
  private func choose(_ stream: ServerStream, _ status: EndStatus) {
    var status = status
    if status.resumeSeq == nil { status.resumeSeq = stream.safeSeq }
    dropQueued(stream)
    stream.outgoing = nil
    hold(stream, -stream.held)
    stream.end = status
    stream.deadline = .never
    stream.stateDeadline = .never
    stream.bookmarkAt = .never
    stream.drainAt = .never
    stream.slowAt = .never
    stream.credentialsAt = .never
    markReady(stream)
  }

  /// Counts bytes that a stream holds, or no longer, in the server's budget.
  @inline(__always)
  func hold(_ stream: ServerStream, _ bytes: Int) {
    guard let budget = settings.budget, bytes != 0 else { return }
    stream.held += bytes
    budget.change(bytes)
  }

  func dropQueued(_ stream: ServerStream) {
    guard let queue = stream.queue else { return }
    queuedBytes -= queue.bytes
    queue.drop()
  }

  /// END for a call that never got a stream.
  func refuse(_ id: UInt32, _ status: EndStatus) {
    if output.count < Limits.writeAhead, refusals.isEmpty {
      writeEnd(id, status)
    } else {
      refusals.append((id, status))
    }
  }

  func writeEnd(_ id: UInt32, _ status: EndStatus) {
    abuse?.ended()
    status.metaBytes().withUnsafeBytes {
      output.appendFrame(
        .end, status.flags.union(.noMessage), stream: id, meta: $0, body: UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  /// Responses that wait for credit share the budget of requests. Over it, the one that has waited longest goes; one
  /// that was granted credit in the last second is moving, not waiting.
  private func enforceResponseBudget() {
    var waiting = 0
    var longest: ServerStream?
    for stream in streams.values where stream.blockedSince > 0 && stream.isUnary {
      waiting += stream.waitingBytes
      if stream.blockedSince < longest?.blockedSince ?? .max { longest = stream }
    }
    guard waiting + reservedBytes > messageBudget, let longest, now - longest.blockedSince > .seconds(1) else { return }
    end(longest, because: EndStatus(.resourceExhausted, "the response waited too long for credit"))
  }

  // MARK: LATEST

  /// A LATEST or QUEUE handler has subscribed and returned: the stream is a table entry from here on.
  package func handlerSubscribed(_ stream: ServerStream) {
    stream.handlerActive = false
    if stream.state == .cancelling, let cause = stream.cause { finish(stream, .status(cause)) }
  }

  package func begin(_ stream: ServerStream, epoch: UInt64) {
    if !stream.statedEpoch { stream.epoch = epoch }
  }

  package func beginSnapshot(_ stream: ServerStream) {
    guard stream.state == .running else { return }
    guard stream.isLatest else { return }
    stream.slots.beginSnapshot()
  }

  package func offer(_ stream: ServerStream, key: String, seq: UInt64, bytes: [UInt8], removed: Bool) {
    guard stream.state == .running, !stream.latestFinishing, stream.isLatest else { return }
    if bytes.count > peer.maxMessage {
      return finish(stream, .status(.messageTooLarge(UInt64(bytes.count), limit: peer.maxMessage)))
    }
    if !stream.slots.offer(key: key, seq: seq, bytes: bytes, removed: removed) {
      if !delegate.snapshotNeeded(stream) {
        finish(
          stream,
          .status(EndStatus(.unavailable, "too many changes wait", retryAfterMs: 0, resumeSeq: stream.safeSeq)))
      }
      return
    }
    markReady(stream)
  }

  package func bookmark(_ stream: ServerStream, safeSeq: UInt64) {
    guard stream.state == .running, !stream.latestFinishing else { return }
    if stream.isLatest { stream.bookmark(safeSeq) }
    // Said with the next sign of life, or the END.
    stream.queue?.bookmark(safeSeq)
    markReady(stream)
  }

  // MARK: QUEUE and BLOCK

  package enum Pushed: Sendable, Hashable {
    /// There is room for more.
    case room
    /// BLOCK: taken, and the handler has to wait until ``ServerConnectionDelegate/roomAgain(_:)``.
    case full
    /// The stream is over, or ends with this.
    case ended
  }

  /// The next message of a QUEUE or BLOCK stream.
  package func push(_ stream: ServerStream, seq: UInt64?, bytes: [UInt8]) -> Pushed {
    guard stream.state == .running, let queue = stream.queue else { return .ended }
    if bytes.count > peer.maxMessage {
      finish(stream, .status(.messageTooLarge(UInt64(bytes.count), limit: peer.maxMessage)))
      return .ended
    }
    queue.push(bytes, seq: seq)
    queuedBytes += bytes.count
    hold(stream, bytes.count)
    markReady(stream)
    if queue.kind == .block {
      guard !queue.hasRoom else { return .room }
      queue.handlerWaits = true
      return .full
    }
    if queue.isOverfull || queuedBytes > messageBudget {
      end(stream, because: .slowConsumer("more messages wait than the stream may keep"))
      return .ended
    }
    return .room
  }

  /// END(OK) once everything has left: of LATEST the newest value of every key.
  package func finishStream(_ stream: ServerStream) {
    guard stream.state == .running else { return }
    guard stream.isLatest else { return finish(stream, .status(.ok)) }
    catchUp(stream)
    stream.latestFinishing = true
    markReady(stream)
  }
}
