internal import FramedMessages
internal import ProtobufFacade

extension ClientConnection {
  func handleData(_ frame: Frame) throws(ConnectionViolation) {
    guard let stream = try known(frame.header.stream) else { return }
    guard stream.receiveWindow.receive(frame.body.count) else {
      throw ConnectionViolation(.flowControl, "more bytes than credit on stream \(stream.id)")
    }
    guard !stream.answered else { return }
    let flags = frame.header.flags
    if !stream.isUnary {
      stream.heard(now)
      arm(stream.silentAt)
    }
    if flags.contains(.noMessage) {
      guard frame.body.isEmpty, !flags.contains(.more), !stream.isUnary else {
        return breach(stream, "NO_MESSAGE with a message")
      }
      guard let meta = DataMeta(metadata: frame.meta) else { return breach(stream, "metadata is not protobuf") }
      listen(stream, meta)
      return delegate.message(stream, StreamMessage(meta: meta, bytes: nil, conflated: false))
    }
    if !stream.inMessage {
      guard let meta = DataMeta(metadata: frame.meta) else { return breach(stream, "metadata is not protobuf") }
      guard !flags.contains(.compressed) else { return breach(stream, "compressed without a codec") }
      if flags.contains(.more) || stream.isUnary, meta.messageBytes == nil {
        return breach(stream, "a fragmented message without message_bytes")
      }
      if let size = meta.messageBytes, size > UInt64(settings.maxMessage) {
        return breach(stream, "message of \(size) bytes, at most \(settings.maxMessage)", .resourceExhausted)
      }
      listen(stream, meta)
      stream.inMessage = true
      stream.partialMeta = meta
      stream.partialSize = meta.messageBytes
      stream.partialConflated = flags.contains(.conflated)
    } else if !frame.meta.isEmpty {
      return breach(stream, "metadata on a later fragment")
    }
    guard append(stream, frame.body) else { return }
    if flags.contains(.more) {
      grant(stream, stream.messages.arrived(frame.body.count, completes: false))
      return
    }
    guard !stream.isUnary else { return breach(stream, "a unary response that ends in DATA") }
    guard stream.partialSize ?? UInt64(stream.partial.count) == UInt64(stream.partial.count) else {
      return breach(stream, "wrong message_bytes")
    }
    grant(stream, stream.messages.arrived(frame.body.count, completes: true))
    let message = StreamMessage(
      meta: stream.partialMeta ?? DataMeta(), bytes: stream.partial, conflated: stream.partialConflated)
    clearPartial(stream)
    delegate.message(stream, message)
  }

  /// The first DATA says how long the server may be silent.
  private func listen(_ stream: ClientStream, _ meta: DataMeta) {
    guard let silence = meta.silenceMs, silence > 0 else { return }
    stream.silence = .milliseconds(UInt64(silence))
    stream.heard(now)
    arm(stream.silentAt)
  }

  func handleEnd(_ frame: Frame) throws(ConnectionViolation) {
    guard let stream = try known(frame.header.stream) else { return }
    guard stream.receiveWindow.receive(frame.body.count) else {
      throw ConnectionViolation(.flowControl, "more bytes than credit on stream \(stream.id)")
    }
    streams[stream.id] = nil
    stream.state = .closed
    defer { afterEnd() }
    guard !stream.answered else { return }
    guard let meta = EndMeta(metadata: frame.meta) else {
      return answer(stream, EndStatus(.internal, "metadata of END is not protobuf"))
    }
    let flags = frame.header.flags
    let status = EndStatus(meta, refused: flags.contains(.refused))
    guard flags.isDisjoint(with: [.more, .last]), !flags.contains(.noMessage) || frame.body.isEmpty else {
      return answer(stream, .protocolViolation("END with flags \(flags.rawValue)"))
    }
    guard status.code == .ok, stream.isUnary else {
      if stream.isUnary || flags.contains(.noMessage) { return answer(stream, status) }
      return answer(stream, .protocolViolation("END of a stream with a message"))
    }
    guard !flags.contains(.noMessage) else { return answer(stream, .protocolViolation("OK without a message")) }
    if stream.inMessage {
      guard UInt64(stream.partial.count + frame.body.count) == stream.partialSize else {
        return answer(stream, .protocolViolation("wrong message_bytes"))
      }
      stream.partial.append(contentsOf: frame.body)
      let message = stream.partial
      clearPartial(stream)
      return answer(stream, status, message: message)
    }
    answer(stream, status, message: Array(frame.body))
  }

  private func append(_ stream: ClientStream, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let total = UInt64(stream.partial.count + bytes.count)
    if total > UInt64(settings.maxMessage) {
      breach(stream, "message over \(settings.maxMessage) bytes", .resourceExhausted)
      return false
    }
    if let stated = stream.partialSize, total > stated {
      breach(stream, "more than message_bytes")
      return false
    }
    // The stated size is within max_message, so it may be trusted with memory.
    if stream.partial.isEmpty, let stated = stream.partialSize { stream.partial.reserveCapacity(Int(stated)) }
    stream.partial.append(contentsOf: bytes)
    return true
  }

  private func clearPartial(_ stream: ClientStream) {
    stream.partial = []
    stream.inMessage = false
    stream.partialMeta = nil
    stream.partialSize = nil
    stream.partialConflated = false
  }

  /// The server broke a rule of one stream: it is cancelled and its frames dropped until END.
  private func breach(_ stream: ClientStream, _ what: String, _ code: StatusCode = .internal) {
    clearPartial(stream)
    cancelOnWire(stream, .unspecified)
    answer(stream, EndStatus(code, what))
  }

  /// The application took the oldest complete message of a stream.
  package func taken(_ stream: ClientStream) {
    guard stream.state != .closed, !stream.answered else { return }
    grant(stream, stream.messages.taken())
  }

  private func grant(_ stream: ClientStream, _ bytes: Int) {
    guard bytes > 0 else { return }
    let credit = stream.receiveWindow.owe(bytes)
    guard credit > 0 else { return }
    stream.credit += credit
    queueControl(stream)
  }

  func queueControl(_ stream: ClientStream) {
    guard !stream.inControlQueue else { return }
    stream.inControlQueue = true
    controlQueue.append(stream)
  }

  private func afterEnd() {
    admitWaiting()
    closeIfDone()
  }
}
