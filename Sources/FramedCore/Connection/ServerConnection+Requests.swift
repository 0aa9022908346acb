package import FramedMessages
internal import ProtobufFacade

extension ServerConnection {
  // MARK: CALL

  func handleCall(_ frame: Frame) throws(ConnectionViolation) {
    let id = frame.header.stream
    guard id > highestStream else { throw ConnectionViolation(.protocol, "CALL on stream \(id), not increasing") }
    highestStream = id
    let head: CallHead
    do throws(EndStatus) {
      head = try readHead(frame)
    } catch {
      refuse(id, error)
      if error.isProtocolViolation { try spend("broken CALLs") }
      return
    }
    guard !draining, !peerGoaway else {
      return refuse(id, EndStatus(.unavailable, "the server is draining", retryAfterMs: retryAfter(), refused: true))
    }
    guard streams.count < settings.maxStreams else {
      return refuse(
        id, EndStatus(.resourceExhausted, "more than \(settings.maxStreams) streams", retryAfterMs: 100, refused: true))
    }
    if settings.budget?.isSpent == true {
      return refuse(
        id,
        EndStatus(
          .resourceExhausted, "the server holds as many bytes as it may", details: [.errorInfo("SERVER_OVERLOADED")],
          retryAfterMs: 1_000, refused: true))
    }
    switch delegate.admit(head) {
    case .refused(let status):
      refuse(id, status)
    case .sync(let method, let timeout):
      guard let deadline = deadline(head.meta, timeout, isUnary: true) else { return refuse(id, .expired) }
      if frame.header.flags.contains(.last), output.count < Limits.writeAhead {
        // Idle to closed in one step: nobody can see the states between.
        answerInline(id, method, head, frame.body, deadline)
      } else {
        open(id, method, head, frame, .sync, deadline)
      }
    case .async(let method, let timeout):
      guard let deadline = deadline(head.meta, timeout, isUnary: true) else { return refuse(id, .expired) }
      open(id, method, head, frame, .async, deadline)
    case .stream(let method, let kind, let timeout):
      guard let deadline = deadline(head.meta, timeout, isUnary: false) else { return refuse(id, .expired) }
      open(id, method, head, frame, .stream(kind), deadline)
    }
  }

  enum CallKind: Equatable {
    case sync, async
    case stream(StreamKind)
  }

  /// Throws why the call is refused: only this stream is.
  @inline(__always)
  private func readHead(_ frame: Frame) throws(EndStatus) -> CallHead {
    let flags = frame.header.flags
    if flags.contains(.noMessage) || (flags.contains(.more) && flags.contains(.last)) {
      throw .protocolViolation("CALL with flags \(flags.rawValue)")
    }
    guard flags.contains(.last) || flags.contains(.more) else {
      throw EndStatus(.unimplemented, "client streaming is reserved", refused: true)
    }
    if flags.contains(.compressed) { throw EndStatus(.unimplemented, "no codec is defined") }
    let head: CallHead
    if let last = lastHead, last.isReadFrom(frame.meta) {
      head = last
    } else {
      head = try readNewHead(frame.meta)
    }
    if flags.contains(.last), let stated = head.meta.messageBytes, stated != UInt64(frame.body.count) {
      throw .protocolViolation("message_bytes \(stated), message of \(frame.body.count)")
    }
    if flags.contains(.more), head.meta.messageBytes == nil {
      throw .protocolViolation("a fragmented message without message_bytes")
    }
    return head
  }

  private func readNewHead(_ bytes: UnsafeRawBufferPointer) throws(EndStatus) -> CallHead {
    guard bytes.count <= Limits.metadataBytes else { throw .badMetadata("over 8 KiB") }
    guard let meta = CallMetaReader.read(bytes, &metaMemory) ?? CallMeta(metadata: bytes) else {
      throw .badMetadata("not protobuf")
    }
    if let bad = meta.violation { throw bad }
    if let stated = meta.messageBytes, stated > UInt64(settings.maxMessage) {
      throw .messageTooLarge(stated, limit: settings.maxMessage)
    }
    let head = CallHead(meta, wire: bytes)
    lastHead = head
    return head
  }

  /// When the call is over by time; `nil`: already.
  private func deadline(_ meta: CallMeta, _ methodDefault: Nanoseconds?, isUnary: Bool) -> Nanoseconds? {
    if let ms = meta.timeoutMs {
      if ms == 0 { return nil }
      let timeout = Nanoseconds.milliseconds(UInt64(ms))
      return now + (isUnary ? min(timeout, settings.maxTimeout) : timeout)
    }
    if let methodDefault { return now + methodDefault }
    return isUnary ? now + settings.defaultTimeout : .never
  }

  private func answerInline(
    _ id: UInt32, _ method: AnyObject, _ head: CallHead, _ request: UnsafeRawBufferPointer, _ deadline: Nanoseconds
  ) {
    if overdrawn(request.count) { return }
    // What fits leaves at once: no stream, no copy.
    let room = min(head.meta.initialCredit.map(Int.init) ?? peer.initialCredit, Limits.floorFrame - FrameHeader.size)
    answer = .expected(room: room)
    let reply = delegate.answer(method, head, request, deadline: deadline)
    switch reply {
    case .encoded:
      guard case .written(let size) = answer else { break }
      answer = .none
      output.commitFrame(.end, stream: id, body: size)
      abuse?.ended()
      return
    case .message(let bytes, let trailers) where trailers.isEmpty && bytes.count <= room:
      bytes.withUnsafeBytes {
        output.appendFrame(.end, stream: id, meta: UnsafeRawBufferPointer(start: nil, count: 0), body: $0)
      }
      abuse?.ended()
      return
    case .status(let status):
      return writeEnd(id, status)
    case .message:
      break
    }
    let stream = makeStream(id, method, head, isUnary: true, .running)
    guard delegate.opened(stream) else {
      _ = takeAnswer()
      return refuse(id, .tooMany)
    }
    stream.deadline = deadline
    arm(deadline)
    streams[id] = stream
    finish(stream, reply)
  }

  /// Memory for the answer of the handler that runs inline, in the connection's output where it may leave at once; then
  /// ``Reply/encoded``.
  package func reserveAnswer(_ size: Int) -> UnsafeMutableRawBufferPointer {
    if case .expected(let room) = answer, size <= room {
      answer = .written(size)
      return output.reserveFrame(body: size)
    }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    answer = .apart(memory)
    return memory
  }

  /// The answer that was encoded apart.
  func takeAnswer() -> [UInt8] {
    defer { answer = .none }
    guard case .apart(let memory) = answer else { return [] }
    defer { memory.deallocate() }
    return [UInt8](memory)
  }

  /// A CALL's body alone is over what our HELLO granted: only possible with frames larger than the window.
  private func overdrawn(_ bytes: Int) -> Bool {
    guard bytes > settings.initialCredit else { return false }
    fail(ConnectionViolation(.flowControl, "more bytes than credit"))
    return true
  }

  private func makeStream(
    _ id: UInt32, _ method: AnyObject, _ head: CallHead, isUnary: Bool, _ state: StreamState
  ) -> ServerStream {
    ServerStream(
      id: id, head: head, method: method, isUnary: isUnary, state: state, openedAt: now,
      sendWindow: head.meta.initialCredit.map(Int.init) ?? peer.initialCredit, receiveWindow: settings.initialCredit)
  }

  private func open(
    _ id: UInt32, _ method: AnyObject, _ head: CallHead, _ frame: Frame, _ kind: CallKind, _ deadline: Nanoseconds
  ) {
    let meta = head.meta
    var streamKind: StreamKind?
    if case .stream(let kind) = kind { streamKind = kind }
    let stream = makeStream(id, method, head, isUnary: streamKind == nil, .idle)
    stream.isSync = kind == .sync
    guard stream.receiveWindow.receive(frame.body.count) else {
      return fail(ConnectionViolation(.flowControl, "more bytes than credit"))
    }
    if frame.header.flags.contains(.more) {
      let stated = Int(meta.messageBytes ?? 0)
      guard reservedBytes + stated <= messageBudget else {
        return refuse(
          id, EndStatus(.resourceExhausted, "no room for the request", retryAfterMs: 1_000, refused: true))
      }
      guard delegate.opened(stream) else { return refuse(id, .tooMany) }
      reservedBytes += stated
      stream.incoming = Incoming(size: stated)
      hold(stream, stated)
    } else {
      guard delegate.opened(stream) else { return refuse(id, .tooMany) }
    }
    stream.deadline = deadline
    arm(deadline)
    if let streamKind {
      if streamKind == .latest {
        stream.becomeLatest(after: meta.resume?.afterSeq ?? 0)
      } else {
        stream.queue = MessageQueue(streamKind, after: meta.resume?.afterSeq)
      }
      let wanted = meta.maxSilenceMs.map { Nanoseconds.milliseconds(UInt64($0)) } ?? Limits.silenceDefault
      stream.silence = min(max(wanted, Limits.silenceLeast), Limits.silenceMost)
    }
    streams[id] = stream
    if frame.header.flags.contains(.last) {
      _ = stream.enter(.call)
      begin(stream, frame.body)
    } else {
      _ = stream.enter(.callFragment)
      stream.stateDeadline = now + settings.requestTimeout
      arm(stream.stateDeadline)
      keep(stream, frame.body)
    }
  }

  /// The request is whole: start the handler.
  private func begin(_ stream: ServerStream, _ request: UnsafeRawBufferPointer) {
    stream.stateDeadline = .never
    if stream.isSync {
      answer = .expected(room: -1)
      finish(stream, delegate.answer(stream.method, stream.head, request, deadline: stream.deadline))
      return
    }
    if stream.isStream {
      stream.bookmarkAt = now + stream.silence
      arm(stream.bookmarkAt)
    }
    stream.handlerActive = true
    delegate.start(stream, request)
  }

  private func keep(_ stream: ServerStream, _ bytes: UnsafeRawBufferPointer) {
    guard let incoming = stream.incoming else { return }
    if incoming.bytes.isEmpty { incoming.bytes.reserveCapacity(incoming.size) }
    incoming.bytes.append(contentsOf: bytes)
    grant(stream, bytes.count)
  }

  private func grant(_ stream: ServerStream, _ bytes: Int) {
    let credit = stream.receiveWindow.owe(bytes)
    guard credit > 0 else { return }
    stream.credit += credit
    if !stream.inControlQueue {
      stream.inControlQueue = true
      controlQueue.append(stream)
    }
  }

  // MARK: DATA

  func handleData(_ frame: Frame) throws(ConnectionViolation) {
    let id = frame.header.stream
    guard id <= highestStream else { throw ConnectionViolation(.protocol, "DATA on stream \(id), never opened") }
    guard let stream = streams[id] else { return try crossed() }
    guard stream.receiveWindow.receive(frame.body.count) else {
      throw ConnectionViolation(.flowControl, "more bytes than credit on stream \(id)")
    }
    let flags = frame.header.flags
    if stream.state == .open, let broken = fragmentViolation(stream, frame) {
      end(stream, because: broken)
      if broken.isProtocolViolation { try spend("broken DATA") }
      return
    }
    if stream.state == .open, flags.contains(.noMessage), !flags.contains(.last) { return try spend("empty DATA") }
    switch stream.enter(flags.contains(.last) ? .dataLast : .data) {
    case .assemble:
      keep(stream, frame.body)
    case .assembleAndStart:
      keep(stream, frame.body)
      let request = stream.incoming?.bytes ?? []
      release(stream)
      request.withUnsafeBytes { begin(stream, $0) }
    case .dataAfterLast:
      dataAfterLast += 1
      if dataAfterLast > 1 { throw ConnectionViolation(.protocol, "DATA after LAST, again") }
      end(stream, because: .protocolViolation("DATA after LAST"))
      try spend("DATA after LAST")
    case .drop:
      break
    default:
      throw ConnectionViolation(.internal, "DATA on stream \(id)")
    }
  }

  private func fragmentViolation(_ stream: ServerStream, _ frame: Frame) -> EndStatus? {
    let flags = frame.header.flags
    if flags.contains(.more), flags.contains(.last) { return .protocolViolation("MORE with LAST") }
    if flags.contains(.noMessage), flags.contains(.more) { return .protocolViolation("MORE with NO_MESSAGE") }
    if flags.contains(.noMessage), !frame.body.isEmpty { return .protocolViolation("NO_MESSAGE with a body") }
    if !frame.meta.isEmpty { return .protocolViolation("metadata on a later fragment") }
    if flags.isDisjoint(with: [.more, .last, .noMessage]) {
      return .protocolViolation("a fragment with neither MORE nor LAST")
    }
    guard let incoming = stream.incoming else { return nil }
    let total = incoming.bytes.count + frame.body.count
    if total > settings.maxMessage { return .messageTooLarge(UInt64(total), limit: settings.maxMessage) }
    if total > incoming.size || (flags.contains(.last) && total != incoming.size) {
      return .protocolViolation("message_bytes \(incoming.size), fragments of \(total)")
    }
    return nil
  }

  /// Gives back what an incomplete request had reserved.
  func release(_ stream: ServerStream) {
    guard let incoming = stream.incoming else { return }
    reservedBytes -= incoming.size
    hold(stream, -incoming.size)
    stream.incoming = nil
  }

  // MARK: CREDIT, CANCEL

  func handleCredit(_ frame: Frame) throws(ConnectionViolation) {
    let id = frame.header.stream
    let bytes = UInt32(bigEndian: frame.body.loadUnaligned(as: UInt32.self))
    guard bytes > 0 else { throw ConnectionViolation(.flowControl, "CREDIT of 0") }
    guard id <= highestStream else { throw ConnectionViolation(.protocol, "CREDIT on stream \(id), never opened") }
    if let abuse = settings.abuse, bytes < abuse.leastCredit { try spend("small CREDIT") }
    guard let stream = streams[id] else { return try crossed() }
    _ = stream.enter(.credit)
    guard stream.sendWindow.add(bytes) else {
      throw ConnectionViolation(.flowControl, "window above 2^31-1 on stream \(id)")
    }
    unblock(stream)
    markReady(stream)
  }

  func handleCancel(_ frame: Frame) throws(ConnectionViolation) {
    let id = frame.header.stream
    guard id <= highestStream else { throw ConnectionViolation(.protocol, "CANCEL on stream \(id), never opened") }
    guard let stream = streams[id] else { return try crossed() }
    let isYoung = settings.abuse.map { now < stream.openedAt + $0.youngStream } ?? false
    let byDeadline = frame.header.aux == CancelReason.deadline.rawValue
    end(
      stream, because: EndStatus(byDeadline ? .deadlineExceeded : .cancelled, "cancelled by the client"), by: .cancel)
    if isYoung { try spend("calls cancelled at once") }
  }
}

extension EndStatus {
  /// Of what is wrong with a CALL or DATA, INTERNAL is said of nothing else.
  fileprivate var isProtocolViolation: Bool { code == .internal }

  static let tooMany = EndStatus(
    .resourceExhausted, "this client has as many streams as it may", details: [.errorInfo("CLIENT_LIMIT")],
    retryAfterMs: 1_000, refused: true)

  static let expired = EndStatus(.deadlineExceeded, "expired on arrival", refused: true)

  static func badMetadata(_ what: String) -> EndStatus {
    EndStatus(.invalidArgument, "metadata: \(what)", refused: true)
  }
}

extension CallMeta {
  /// What is wrong with the values, if anything.
  var violation: EndStatus? {
    if metadata.count > Limits.metadataEntries { return .badMetadata("more than 64 entries") }
    for entry in metadata where !entry.hasValidKey { return .badMetadata("key not of [a-z0-9_.-]+") }
    if !requestID.isEmpty, requestID.count != 16 { return .badMetadata("request_id is not 16 bytes") }
    if let credit = initialCredit, credit > Limits.maxWindow || (credit > 0 && credit < Limits.leastCallCredit) {
      return .badMetadata("initial_credit \(credit)")
    }
    return nil
  }
}

extension Header {
  package var hasValidKey: Bool {
    !key.isEmpty
      && key.utf8.allSatisfy { byte in
        (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == 0x5F || byte == 0x2E || byte == 0x2D
      }
  }
}
