package import FramedMessages
internal import ProtobufFacade

extension ClientConnection {
  /// A new call; it waits here when the server's streams are all taken. `timeout` is counted from now and also told to
  /// the server; with `announce` false the server keeps to its default.
  package func call(
    _ meta: CallMeta, request: [UInt8], isUnary: Bool, timeout: Nanoseconds?, attachment: AnyObject?
  ) -> ClientStream {
    let window = meta.initialCredit.map(Int.init) ?? settings.initialCredit
    let stream = ClientStream(
      meta: meta, request: request, isUnary: isUnary, receiveWindow: window,
      deadline: timeout.map { now + $0 } ?? .never)
    stream.attachment = attachment
    if request.count > peer.maxMessage {
      stream.state = .closed
      answer(stream, .messageTooLarge(UInt64(request.count), limit: peer.maxMessage))
      return stream
    }
    guard isUsable else {
      stream.state = .closed
      answer(stream, EndStatus(.unavailable, "the connection takes no more calls", refused: true))
      return stream
    }
    arm(stream.deadline)
    waiting.append(stream)
    admitWaiting()
    return stream
  }

  private var hasAdmissible: Bool {
    waitingHead < waiting.count && streams.count < peer.maxStreams && isUsable
  }

  /// Gives free streams to the calls that wait, in their order, as long as the output has room.
  func admitWaiting() {
    while hasAdmissible, output.count < Limits.writeAhead {
      let stream = waiting[waitingHead]
      waitingHead += 1
      guard stream.state == .waiting, !stream.answered else { continue }
      stream.id = nextID
      nextID += 2
      stream.sendWindow = SendWindow(peer.initialCredit)
      stream.state = .sending
      streams[stream.id] = stream
      if !stream.isUnary {
        if let wanted = stream.meta.maxSilenceMs {
          stream.silence = min(max(.milliseconds(UInt64(wanted)), Limits.silenceLeast), Limits.silenceMost)
        }
        stream.heard(now)
        arm(stream.silentAt)
      }
      // Ids must leave in their order: CALL goes out here, only later fragments take turns.
      writeCall(stream)
    }
    if nextID > Limits.maxStreamID { refuseWaiting() }
    if waitingHead == waiting.count {
      waiting.removeAll(keepingCapacity: waitingHead <= 256)
      waitingHead = 0
    } else if waitingHead > 256, waitingHead * 2 > waiting.count {
      waiting.removeFirst(waitingHead)
      waitingHead = 0
    }
  }

  /// No id is left: what waits can never go out here.
  private func refuseWaiting() {
    while waitingHead < waiting.count {
      let stream = waiting[waitingHead]
      waitingHead += 1
      guard stream.state == .waiting else { continue }
      stream.state = .closed
      answer(stream, EndStatus(.unavailable, "the connection has no stream ids left", refused: true))
    }
  }

  private func writeCall(_ stream: ClientStream) {
    if stream.deadline != .never {
      // The server counts from the frame's arrival: it gets what is left.
      let left = stream.deadline > now ? stream.deadline - now : 0
      stream.meta.timeoutMs = UInt32(clamping: (left + 999_999) / 1_000_000)
    }
    let room = frameRoom
    var meta = stream.meta.protobufBytes()
    let whole = meta.count + stream.request.count <= room && stream.request.count <= stream.sendWindow.available
    if !whole {
      stream.meta.messageBytes = UInt64(stream.request.count)
      meta = stream.meta.protobufBytes()
    }
    let size = whole ? stream.request.count : min(max(room - meta.count, 0), Int(stream.sendWindow.available))
    meta.withUnsafeBytes { meta in
      stream.request.withUnsafeBytes {
        output.appendFrame(
          .call, whole ? .last : .more, stream: stream.id, meta: meta,
          body: UnsafeRawBufferPointer(rebasing: $0[..<size]))
      }
    }
    stream.sendWindow.take(size)
    stream.offset = size
    if whole { stream.state = .sent } else { markReady(stream) }
  }

  /// Largest payload of the frames we send.
  private var frameRoom: Int { Limits.floorFrame - FrameHeader.size }

  // MARK: Cancel

  /// The caller gave up: it has its answer now, the server is told.
  package func cancel(_ stream: ClientStream, _ reason: CancelReason = .caller) {
    guard !stream.answered else { return }
    cancelOnWire(stream, reason)
    answer(stream, EndStatus(.cancelled, "cancelled"))
  }

  func cancelOnWire(_ stream: ClientStream, _ reason: CancelReason) {
    stream.cancelAt = .never
    guard stream.id != 0, stream.state != .closed else {
      stream.state = .closed
      return
    }
    stream.state = .sent
    stream.cancelDue = stream.cancelDue ?? reason
    queueControl(stream)
  }

  // MARK: Output

  package var hasMore: Bool {
    pingAck != nil || !controlQueue.isEmpty || readyHead < readyQueue.count || hasAdmissible
  }

  func markReady(_ stream: ClientStream) {
    guard stream.state == .sending, !stream.inReadyQueue else { return }
    stream.inReadyQueue = true
    readyQueue.append(stream)
  }

  package func fill() {
    guard phase != .closing else { return }
    if let opaque = pingAck {
      pingAck = nil
      output.appendPing(opaque, ack: true)
    }
    for stream in controlQueue {
      stream.inControlQueue = false
      if let reason = stream.cancelDue, stream.state != .closed { output.appendCancel(reason, stream: stream.id) }
      if stream.credit > 0, stream.state != .closed { output.appendCredit(stream.credit, stream: stream.id) }
      stream.cancelDue = nil
      stream.credit = 0
    }
    controlQueue.removeAll(keepingCapacity: true)
    admitWaiting()
    while output.count < Limits.writeAhead, readyHead < readyQueue.count {
      let stream = readyQueue[readyHead]
      readyHead += 1
      stream.inReadyQueue = false
      if writeFragment(stream) { markReady(stream) }
    }
    if readyHead == readyQueue.count {
      readyQueue.removeAll(keepingCapacity: readyHead <= 256)
      readyHead = 0
    }
  }

  private func writeFragment(_ stream: ClientStream) -> Bool {
    guard stream.state == .sending else { return false }
    let left = stream.request.count - stream.offset
    let size = min(left, frameRoom, Int(stream.sendWindow.available))
    let isLast = size == left
    guard size > 0 || isLast else { return false }
    stream.request.withUnsafeBytes {
      output.appendFrame(
        .data, isLast ? .last : .more, stream: stream.id, meta: UnsafeRawBufferPointer(start: nil, count: 0),
        body: UnsafeRawBufferPointer(rebasing: $0[stream.offset..<stream.offset + size]))
    }
    stream.sendWindow.take(size)
    stream.offset += size
    if isLast { stream.state = .sent }
    return !isLast
  }

  // MARK: Timers

  /// Nothing of a stream came for three times the silence its server keeps. Where nothing came at all, the connection is dead
  /// though nobody was told (a proxy, a cable); else only the stream is, and the rest goes on.
  private func goneSilent(_ stream: ClientStream) {
    stream.silentAt = .never
    guard phase != .closing, !stream.answered else { return }
    if now - lastReceived >= ClientStream.silences * stream.silence {
      return connectionLost("the server went silent")
    }
    cancelOnWire(stream, .unspecified)
    answer(stream, EndStatus(.unavailable, "the stream went silent"))
  }

  package func advance() {
    guard now >= nextTimer, phase != .closing else { return }
    nextTimer = .never
    if phase != .open {
      if now >= helloDeadline {
        violation = ConnectionViolation(.protocol, "no HELLO")
        return connectionLost("no HELLO from the server")
      }
      arm(helloDeadline)
    }
    for stream in Array(streams.values) + waiting[waitingHead...] {
      expire(stream)
      arm(stream.nextTimer)
    }
    if nextTimer != .never { nextTimer = max(nextTimer, now + .milliseconds(1)) }
  }

  private func expire(_ stream: ClientStream) {
    if now >= stream.cancelAt { cancelOnWire(stream, .deadline) }
    if now >= stream.silentAt { goneSilent(stream) }
    guard now >= stream.deadline, !stream.answered else { return }
    // The server ends it by itself; CANCEL only if it does not.
    stream.cancelAt = now + settings.cancelDelay
    answer(stream, EndStatus(.deadlineExceeded, "deadline exceeded"))
    if stream.state == .waiting { stream.state = .closed }
  }
}
