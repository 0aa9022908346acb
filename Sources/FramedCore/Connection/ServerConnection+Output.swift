internal import FramedMessages
internal import ProtobufFacade

extension ServerConnection {
  /// Something can be written that is not in ``output`` yet.
  package var hasMore: Bool {
    pingAck != nil || pingDue || !controlQueue.isEmpty || !refusals.isEmpty || readyHead < readyQueue.count
      || !groupQueue.isEmpty
  }

  @inline(__always)
  func markReady(_ stream: ServerStream) {
    guard !stream.inReadyQueue else { return }
    stream.inReadyQueue = true
    readyQueue.append(stream)
  }

  /// Moves what waits into ``output``, up to 64 KiB: control first, then one frame a stream in turn.
  package func fill() {
    guard phase != .closing else { return }
    writeControl()
    writeRefusals()
    // Neither those who show one value together nor those who have their own keep the others waiting.
    writeGroups(upTo: Limits.writeAhead / 2)
    while output.count < Limits.writeAhead, readyHead < readyQueue.count {
      let stream = readyQueue[readyHead]
      readyHead += 1
      stream.inReadyQueue = false
      if writeFrame(stream) { markReady(stream) }
      if readyHead > 256, readyHead * 2 > readyQueue.count {
        readyQueue.removeFirst(readyHead)
        readyHead = 0
      }
    }
    if readyHead == readyQueue.count {
      readyQueue.removeAll(keepingCapacity: readyHead <= 256)
      readyHead = 0
    }
    writeGroups(upTo: Limits.writeAhead)
    closeIfDone()
  }

  private func writeControl() {
    if let opaque = pingAck {
      pingAck = nil
      output.appendPing(opaque, ack: true)
    }
    if pingDue {
      pingDue = false
      output.appendPing(now, ack: false)
    }
    for stream in controlQueue {
      stream.inControlQueue = false
      if stream.credit > 0, streams[stream.id] === stream, stream.state != .ending {
        output.appendCredit(stream.credit, stream: stream.id)
      }
      stream.credit = 0
    }
    controlQueue.removeAll(keepingCapacity: true)
  }

  private func writeRefusals() {
    guard !refusals.isEmpty else { return }
    var written = 0
    while written < refusals.count, output.count < Limits.writeAhead {
      writeEnd(refusals[written].id, refusals[written].status)
      written += 1
    }
    refusals.removeFirst(written)
  }

  /// Writes at most one frame; true: there is another it could write.
  private func writeFrame(_ stream: ServerStream) -> Bool {
    switch stream.state {
    case .ending:
      return writeEnding(stream)
    case .running:
      if stream.isLatest { return writeLatest(stream) }
      return stream.queue == nil ? false : writeQueued(stream)
    default:
      return false
    }
  }

  private func writeEnding(_ stream: ServerStream) -> Bool {
    guard let status = stream.end else { return false }
    if stream.hasQueued { return writeQueued(stream) }
    guard let message = stream.outgoing else {
      writeEnd(stream.id, status)
      closed(stream)
      return false
    }
    let meta = status.metaBytes()
    let left = message.bytes.count - message.offset
    let room = frameRoom - meta.count
    if left <= room, Int64(left) <= stream.sendWindow.available {
      meta.withUnsafeBytes { meta in
        message.bytes.withUnsafeBytes {
          output.appendFrame(
            .end, status.flags, stream: stream.id, meta: meta,
            body: UnsafeRawBufferPointer(rebasing: $0[message.offset...]))
        }
      }
      stream.sendWindow.take(left)
      stream.outgoing = nil
      abuse?.ended()
      closed(stream)
      return false
    }
    // The rest does not fit one frame: a fragment. Its last one is the END's.
    return writeFragment(stream, message, keepForEnd: true)
  }

  /// Largest payload of the frames we send.
  private var frameRoom: Int { Limits.floorFrame - FrameHeader.size }

  /// One DATA with the next piece of a message; false: no credit. `keepForEnd`: the last piece is not ours to send.
  private func writeFragment(_ stream: ServerStream, _ message: Outgoing, keepForEnd: Bool) -> Bool {
    var meta = DataMeta()
    let left = message.bytes.count - message.offset
    let available = Int(min(stream.sendWindow.available, Int64(Int.max)))
    if !message.began {
      if let value = message.value {
        describe(value, stream, &meta)
      } else if stream.queue != nil {
        meta.seq = message.seq
        describeFirst(stream, &meta)
      }
      if left > frameRoom - 128 || keepForEnd || left > available { meta.messageBytes = UInt64(message.bytes.count) }
    }
    let metaBytes = message.began ? [] : meta.protobufBytes()
    let size = min(left, frameRoom - metaBytes.count, available)
    let isLast = size == left && !keepForEnd
    guard size > 0 || isLast else {
      block(stream)
      return false
    }
    var flags: FrameFlags = isLast ? [] : .more
    if !message.began, message.value?.conflated == true { flags.insert(.conflated) }
    metaBytes.withUnsafeBytes { meta in
      message.bytes.withUnsafeBytes {
        output.appendFrame(
          .data, flags, stream: stream.id, meta: meta,
          body: UnsafeRawBufferPointer(rebasing: $0[message.offset..<message.offset + size]))
      }
    }
    stream.sendWindow.take(size)
    message.offset += size
    message.began = true
    // A sign of life is no progress: it needs no credit.
    unblock(stream)
    return true
  }

  private func closed(_ stream: ServerStream) {
    _ = stream.enter(.endWritten)
    streams[stream.id] = nil
    hold(stream, -stream.held)
    leave(stream)
    if streams.isEmpty {
      idleSince = now
      if let idle = settings.idleClose { arm(now + idle) }
    }
    delegate.ended(stream, finished: stream.cause == nil)
  }

  private func closeIfDone() {
    if streams.isEmpty, refusals.isEmpty, draining || peerGoaway { phase = .closing }
  }

  // MARK: LATEST

  private func writeLatest(_ stream: ServerStream) -> Bool {
    if stream.bookmarkDue {
      stream.bookmarkDue = false
      // Before the handler has begun, what the client resumes from may be of another epoch.
      let isSafe = stream.epoch != nil && !stream.isInSnapshot
      writeBookmark(stream, safeSeq: isSafe ? stream.safeSeq : nil)
      return true
    }
    if let message = stream.outgoing {
      let wrote = writeFragment(stream, message, keepForEnd: false)
      if wrote { sentData(stream) }
      if message.offset == message.bytes.count, message.began { stream.outgoing = nil }
      if !wrote, stream.drainEnds { endDrained(stream) }
      return wrote
    }
    if let size = stream.latest?.nextSize {
      let covered = Int64(size) <= stream.sendWindow.available
      guard stream.drainEnds ? covered : stream.sendWindow.mayBegin(size) else {
        if stream.drainEnds { endDrained(stream) } else { block(stream) }
        return false
      }
    }
    switch stream.latest?.next() {
    case .value(let value):
      stream.settle()
      stream.outgoing = Outgoing(bytes: value.bytes, value: value)
      return writeLatest(stream)
    case .bookmark(let safeSeq, let beginsSnapshot):
      stream.settle()
      writeBookmark(stream, safeSeq: safeSeq, beginsSnapshot: beginsSnapshot)
      return true
    case nil:
      if stream.group != nil, writeGroupNews(stream) { return true }
      if stream.latestFinishing {
        finish(stream, .status(.ok))
      } else if stream.drainEnds {
        endDrained(stream)
      }
      return false
    }
  }

  private func describe(_ value: LatestSlots.Value, _ stream: ServerStream, _ meta: inout DataMeta) {
    meta.seq = value.seq
    if value.safeSeq != value.seq { meta.safeSeq = value.safeSeq }
    meta.removed = value.removed
    meta.snapshot = value.beginsSnapshot
    describeFirst(stream, &meta)
  }

  private func describeFirst(_ stream: ServerStream, _ meta: inout DataMeta) {
    if !stream.statedEpoch, let epoch = stream.epoch {
      meta.epoch = epoch
      stream.statedEpoch = true
    }
    guard !stream.sentFirstData else { return }
    meta.silenceMs = UInt32(clamping: stream.silence / 1_000_000)
  }

  /// Without a safe_seq it only says that the stream lives: inside a snapshot a bookmark would end it.
  private func writeBookmark(_ stream: ServerStream, safeSeq: UInt64?, beginsSnapshot: Bool = false) {
    var meta = DataMeta()
    meta.safeSeq = safeSeq
    meta.snapshot = beginsSnapshot
    describeFirst(stream, &meta)
    meta.protobufBytes().withUnsafeBytes {
      output.appendFrame(
        .data, .noMessage, stream: stream.id, meta: $0, body: UnsafeRawBufferPointer(start: nil, count: 0))
    }
    sentData(stream)
  }

  private func sentData(_ stream: ServerStream) {
    stream.sentFirstData = true
    stream.bookmarkAt = now + stream.silence
  }

  // MARK: QUEUE and BLOCK

  private func writeQueued(_ stream: ServerStream) -> Bool {
    guard let queue = stream.queue else { return false }
    if stream.bookmarkDue {
      stream.bookmarkDue = false
      writeBookmark(stream, safeSeq: stream.epoch == nil ? nil : stream.safeSeq)
      return true
    }
    let message: Outgoing
    if let begun = stream.outgoing {
      message = begun
    } else {
      guard let size = queue.nextSize else { return false }
      guard stream.sendWindow.mayBegin(size), let next = queue.next() else {
        block(stream)
        return false
      }
      queuedBytes -= next.bytes.count
      // What is being sent counts until it has left.
      message = Outgoing(bytes: next.bytes, seq: next.seq)
    }
    let wrote = writeFragment(stream, message, keepForEnd: false)
    if wrote { sentData(stream) }
    if message.offset < message.bytes.count || !message.began {
      stream.outgoing = message
    } else {
      stream.outgoing = nil
      queue.left(message.seq)
      hold(stream, -message.bytes.count)
      if queue.handlerWaits, queue.hasRoom {
        queue.handlerWaits = false
        delegate.roomAgain(stream)
      }
    }
    return wrote
  }

  /// The front of the stream waits for credit from now on.
  func block(_ stream: ServerStream) {
    guard stream.blockedSince == 0 else { return }
    stream.blockedSince = now
    if stream.queue != nil {
      stream.slowAt = now + Limits.slowConsumer
      arm(stream.slowAt)
    }
  }

  func unblock(_ stream: ServerStream) {
    stream.blockedSince = 0
    stream.slowAt = .never
  }

  private func endDrained(_ stream: ServerStream) {
    end(stream, because: EndStatus(.unavailable, "the server is draining", retryAfterMs: retryAfter()))
  }
}
