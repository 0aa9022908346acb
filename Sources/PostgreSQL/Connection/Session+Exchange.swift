import CPostgreSQL

/// How a request is put to the server and its answers are read.
///
/// Statements go out in rounds that end with a Sync each: as many prepared ones as there are, and the preparation of the
/// first one that is not (its parameters' types must be known before it can be sent). A warm request is one round.
extension Session {
  func proceed() {
    guard let exchange, let connection else { return }
    if exchange.next < exchange.steps.count {
      sendRound(exchange, connection)
    } else if let tail = exchange.tail, case .pipeline = exchange.phase {
      sendTail(tail, exchange, connection)
    } else {
      finish(.success(exchange.results))
    }
  }

  private func sendRound(_ exchange: Exchange, _ connection: OpaquePointer) {
    exchange.expected.removeAll(keepingCapacity: true)
    exchange.answered = 0
    var accepted = true
    round: while accepted, exchange.next < exchange.steps.count {
      switch exchange.steps[exchange.next] {
      case .plain(let sql):
        accepted = PQsendQueryParams(connection, sql, 0, nil, nil, nil, nil, 1) == 1
        exchange.expected.append(.result(keep: false))
        if sql == "COMMIT" { exchange.commitSent = true }
      case .statement(let statement):
        guard let prepared = statements.use(statement.sql) else {
          accepted = prepare(statement.sql, exchange, connection)
          break round
        }
        do throws(PostgresError) {
          let parameters = try EncodedParameters(statement.parameters, types: prepared.types)
          accepted = send(prepared.name, parameters, connection)
        } catch {
          exchange.error = error
          break round
        }
        exchange.expected.append(.result(keep: true))
      }
      exchange.next += 1
    }
    if let error = exchange.error, exchange.expected.isEmpty { return finish(.failure(error)) }
    guard accepted, PQpipelineSync(connection) == 1 else { return breakDown(connection) }
    exchange.expected.append(.synchronised)
    exchange.sent = true
    flush()
  }

  private func prepare(_ sql: String, _ exchange: Exchange, _ connection: OpaquePointer) -> Bool {
    if let forgotten = statements.evict() {
      guard PQsendQueryParams(connection, "DEALLOCATE \(forgotten)", 0, nil, nil, nil, nil, 1) == 1 else {
        return false
      }
      exchange.expected.append(.forgotten)
    }
    let name = statements.newName()
    guard PQsendPrepare(connection, name, sql, 0, nil) == 1, PQsendDescribePrepared(connection, name) == 1 else {
      return false
    }
    exchange.expected.append(.prepared(sql: sql, name: name))
    exchange.expected.append(.described(sql: sql))
    return true
  }

  private func send(_ name: String, _ parameters: EncodedParameters, _ connection: OpaquePointer) -> Bool {
    parameters.bytes.withUnsafeBufferPointer { bytes in
      // An empty block has no address, and NULL would mean SQL's NULL: any address serves a value of no bytes.
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1) { empty in
        empty.initialize(repeating: 0)
        let base = bytes.baseAddress.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) }
        let values: [UnsafePointer<CChar>?] = parameters.offsets.map { offset in
          offset < 0 ? nil : base.map { $0 + offset } ?? UnsafePointer(empty.baseAddress)
        }
        return PQsendQueryPrepared(
          connection, name, Int32(values.count), values, parameters.lengths, parameters.formats, 1) == 1
      }
    }
  }

  private func sendTail(_ tail: Exchange.Tail, _ exchange: Exchange, _ connection: OpaquePointer) {
    guard PQexitPipelineMode(connection) == 1 else { return breakDown(connection) }
    let sql: String
    switch tail {
    case .script(let script):
      sql = script
      exchange.phase = .script
    case .copy(let statement):
      sql = statement
      exchange.phase = .copyOpening
    }
    guard PQsendQuery(connection, sql) == 1 else { return breakDown(connection) }
    exchange.sent = true
    flush()
  }

  // MARK: Answers

  func readResults(_ connection: OpaquePointer) {
    while self.connection != nil, let exchange, PQisBusy(connection) == 0 {
      if case .copying = exchange.phase { return }
      guard let result = PQgetResult(connection) else {
        exchange.separators += 1
        if exchange.phase != .pipeline {
          endOfTail(exchange, connection)
        } else if exchange.separators > 1 {
          return breakDown(connection)
        }
        continue
      }
      exchange.separators = 0
      if exchange.phase == .pipeline { take(result, exchange, connection) } else { takeInTail(result, exchange) }
    }
    // Without a request, this is what reads notifications and the server's parting words.
    if self.connection != nil, exchange == nil { _ = PQisBusy(connection) }
  }

  private func take(_ result: OpaquePointer, _ exchange: Exchange, _ connection: OpaquePointer) {
    let status = PQresultStatus(result)
    let expectation = exchange.nextExpected
    exchange.answered += 1
    switch (status, expectation) {
    case (PGRES_PIPELINE_SYNC, .synchronised):
      PQclear(result)
      endOfRound(exchange)
    case (PGRES_PIPELINE_ABORTED, _):
      PQclear(result)
    case (PGRES_FATAL_ERROR, _), (PGRES_BAD_RESPONSE, _):
      fail(exchange, PostgresError(result: result), result)
      if case .synchronised = expectation { exchange.answered -= 1 }
    case (PGRES_TUPLES_OK, .result(true)), (PGRES_COMMAND_OK, .result(true)), (PGRES_EMPTY_QUERY, .result(true)):
      exchange.results.append(PGResult(result))
    case (_, .result(false)):
      // COMMIT of a transaction in which a statement failed is answered with the tag ROLLBACK, not with an error.
      if exchange.commits, PQcmdStatus(result).map({ String(cString: $0) }) == "ROLLBACK" {
        exchange.error = PostgresError(
          .server, "the transaction was rolled back: a statement in it had failed", sqlState: "25P02")
      }
      PQclear(result)
    case (PGRES_COMMAND_OK, .prepared(let sql, let name)):
      statements.remember(sql, name: name, types: [])
      PQclear(result)
    case (PGRES_COMMAND_OK, .described(let sql)):
      if let prepared = statements.use(sql) {
        let types = (0..<PQnparams(result)).map { PGType.OID(PQparamtype(result, $0)) }
        statements.remember(sql, name: prepared.name, types: types)
      }
      PQclear(result)
    case (PGRES_COMMAND_OK, .forgotten):
      PQclear(result)
    default:
      // COPY through query(), or an answer nobody asked for.
      PQclear(result)
      exchange.error = PostgresError(
        .protocolMisuse, "unexpected answer \(status.rawValue): COPY goes through copy(_:)")
      breakDown(connection)
    }
  }

  private func endOfRound(_ exchange: Exchange) {
    guard let error = exchange.error else { return proceed() }
    // The server's plan or statement is gone (a column changed, DEALLOCATE ALL): forget ours; outside a transaction the
    // statement has done nothing and can simply be run again.
    if error.kind == .server, error.meansStaleStatement {
      statements.removeAll()
      if exchange.request.owner == nil, !exchange.retried {
        exchange.retried = true
        exchange.error = nil
        exchange.results = []
        exchange.next = 0
        return proceed()
      }
    }
    finish(.failure(error))
  }

  private func takeInTail(_ result: OpaquePointer, _ exchange: Exchange) {
    switch (PQresultStatus(result), exchange.phase) {
    case (PGRES_FATAL_ERROR, _), (PGRES_BAD_RESPONSE, _):
      fail(exchange, PostgresError(result: result), result)
    case (PGRES_COPY_IN, .copyOpening):
      PQclear(result)
      exchange.phase = .copying
      exchange.request.reply(.success([]))
    case (PGRES_COPY_IN, _), (PGRES_COPY_OUT, _), (PGRES_COPY_BOTH, _):
      PQclear(result)
      exchange.error = PostgresError(.protocolMisuse, "COPY goes through copy(_:), and only from STDIN")
      if let connection { breakDown(connection) }
    case (_, .copyEnding):
      exchange.results.append(PGResult(result))
    default:
      PQclear(result)
    }
  }

  /// NULL outside pipeline mode: the script or the COPY is over.
  private func endOfTail(_ exchange: Exchange, _ connection: OpaquePointer) {
    guard PQenterPipelineMode(connection) == 1 else { return breakDown(connection) }
    if let error = exchange.error { return finish(.failure(error)) }
    if exchange.request.owner != nil, PQtransactionStatus(connection) == PQTRANS_IDLE {
      return finish(.failure(PostgresError(.protocolMisuse, "the script ended the transaction it ran in")))
    }
    if exchange.phase == .copyOpening {
      return finish(.failure(PostgresError(.protocolMisuse, "the statement is no COPY … FROM STDIN")))
    }
    finish(.success(exchange.results))
  }

  /// Takes the first error of an exchange, and the session's end when the error is fatal.
  private func fail(_ exchange: Exchange, _ error: PostgresError, _ result: OpaquePointer) {
    let fatal = PostgresError.isFatal(result)
    PQclear(result)
    if exchange.error == nil {
      var error = error
      if error.sqlState == "57014" { error.kind = exchange.cancelRequested ? .cancelled : .timeout }
      if exchange.answered > 0, error.statement == nil { error.statement = exchange.statementText }
      exchange.error = error
    }
    guard fatal else { return }
    var loss = exchange.error ?? error
    loss.kind = .connectionLost
    end(loss)
  }

  /// libpq and this session no longer agree: nothing can be trusted on it.
  private func breakDown(_ connection: OpaquePointer) {
    let text = PQerrorMessage(connection).map { String(cString: $0).trimmed } ?? ""
    let error = exchange?.error ?? PostgresError(.connectionLost, text.isEmpty ? "the session broke down" : text)
    end(error)
  }

  // MARK: COPY

  /// Writes data of the COPY under way; the caller then waits for the socket.
  func putCopyData(_ bytes: [UInt8]) -> PostgresError? {
    guard let connection, let exchange, case .copying = exchange.phase else {
      return PostgresError(.connectionLost, "the session has ended")
    }
    let taken = bytes.withUnsafeBytes { buffer in
      buffer.isEmpty
        ? 1 : PQputCopyData(connection, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
    }
    guard taken == 1 else { return PostgresError(.connectionLost, "COPY data was not taken") }
    flush()
    return nil
  }

  /// Ends the COPY under way, with an error to make the server drop it. The answer comes through the new continuation.
  func endCopy(_ failure: String?, _ continuation: CheckedContinuation<Result<[PGResult], PostgresError>, Never>) {
    guard let connection, let exchange, case .copying = exchange.phase else {
      continuation.resume(returning: .failure(PostgresError(.connectionLost, "the session has ended")))
      return
    }
    let request = exchange.request
    let ending = Exchange(
      Request(
        identifier: request.identifier, owner: request.owner, work: request.work, cancelled: request.cancelled,
        continuation: continuation), begin: nil)
    ending.phase = .copyEnding
    ending.sent = true
    ending.cancelRequested = exchange.cancelRequested
    self.exchange = ending
    guard PQputCopyEnd(connection, failure) == 1 else { return breakDown(connection) }
    flush()
    // A server that refused the data has answered already, and the socket has nothing more to say.
    if self.connection != nil { readResults(connection) }
  }
}

extension Exchange {
  /// The text of the statement that the last answer belongs to, shortened.
  var statementText: String? {
    let sql: String
    switch tail {
    case .script(let text), .copy(let text): sql = text
    case nil:
      // Answers of a round come in the order of its expectations; only results count as steps.
      guard case .statements(let statements, _) = request.work else { return nil }
      let index = results.count
      guard index < statements.count else { return nil }
      sql = statements[index].sql
    }
    return sql.utf8.count <= 400 ? sql : String(decoding: sql.utf8.prefix(400), as: UTF8.self)
  }
}
