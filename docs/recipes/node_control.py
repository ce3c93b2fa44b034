# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read or set a parameter of a running node, as `ros2 param` does, or change its state."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
import sys
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.parameter import get_parameter_value, parameter_value_to_python
import yaml

WAIT = 10.0  # seconds until the script ends if the node does not answer


def ask(name: str, service: str, kind: Any, **fields: Any) -> Any:
    """Send a request to a service of the node, and return the response.

    The first response to a new client can get lost. So this function first asks for the state of
    the node, each second, until the node answers. The node learns of the two clients in the order
    in which they are made. So the node then knows both clients, and the request itself is sent
    only once.
    """
    own = rclpy.create_node('node_control')
    client = own.create_client(kind, f'{name}/{service}')
    state = own.create_client(GetState, f'{name}/get_state')
    deadline, future = time.monotonic() + WAIT, None
    while not (future and future.done() and client.service_is_ready()):
        if time.monotonic() > deadline:
            sys.exit(f'The node {name} did not answer within {WAIT:g} s. Check that the node '
                     'runs, and that --node is its name. Check that ROS_DOMAIN_ID and '
                     'ROS_AUTOMATIC_DISCOVERY_RANGE are the same in both terminals.')
        future = state.call_async(GetState.Request())
        rclpy.spin_until_future_complete(own, future, timeout_sec=1.0)
    future = client.call_async(kind.Request(**fields))  # the response may take minutes
    while not future.done():
        rclpy.spin_until_future_complete(own, future, timeout_sec=1.0)
        if not future.done() and not client.service_is_ready():
            sys.exit(f'The node {name} ended before it answered. Its log says why.')
    return future.result()


def read_value(text: str) -> ParameterValue:
    """Return the value that a YAML text stands for."""
    with suppress(yaml.YAMLError):
        value = get_parameter_value(text)
        if isinstance(value.string_value, str):
            return value
    raise ArgumentTypeError(f'{text} is no YAML number, text, list, true or false')


def run(name: str, command: str, word: str, value: ParameterValue | None) -> str:
    """Run a command, and return why it failed. The text is empty if it did not fail."""
    if command == 'get':
        found = ask(name, 'get_parameters', GetParameters, names=[word]).values
        print(*map(parameter_value_to_python, found))
        return '' if found else f'The node {name} has no parameter {word}.'
    if command == 'set':
        result = ask(name, 'set_parameters', SetParameters,
                     parameters=[Parameter(name=word, value=value)]).results[0]
        return '' if result.successful else str(result.reason)
    change = Transition(id=getattr(Transition, f'TRANSITION_{word.upper()}'))
    done = ask(name, 'change_state', ChangeState, transition=change).success
    return '' if done else f'The transition {word} failed. The log of the node {name} says why.'


if __name__ == '__main__':
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/trt_segmentation', metavar='NAME', help='the node')
    parser.set_defaults(value=None)
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('get', help='print a parameter').add_argument('word', metavar='PARAMETER')
    setter = commands.add_parser('set', help='set a parameter')
    setter.add_argument('word', metavar='PARAMETER')
    setter.add_argument('value', type=read_value, metavar='VALUE', help='new value, as YAML')
    commands.add_parser('lifecycle', help='start a transition').add_argument(
        'word', choices=('configure', 'activate', 'deactivate', 'cleanup'))
    options = parser.parse_args()
    rclpy.init(args=[])
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        sys.exit(run('/' + options.node.strip('/'), options.command, options.word, options.value)
                 or None)
