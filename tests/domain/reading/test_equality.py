"""Equality of answers, type by type: pairs that say the same, and pairs that do not."""

from __future__ import annotations

import pytest

from jorney.domain.equivalence import compare

EQUAL = r"""
8.3 J/(mol K) <=> 8.3\ \mathrm{J\,mol^{-1}\,K^{-1}}
8.3 J/(mol·K) <=> 8.3
4.2 J/(g °C) <=> 4.2 \text{ J}/(\text{g}\cdot{}^\circ\text{C})
12 \Omega <=> 12
12\,\Omega <=> 12 ohms
12 Ω <=> 12 \Omega
4.7 k\Omega <=> 4.7 kΩ
3\Omega <=> \Omega \cdot 3
7 a day <=> 7 per day
7 a day <=> 7
60 miles an hour <=> 60 mph
x \neq 1, 2 <=> x ≠ 2 and x ≠ 1
x \ne 2, 1 <=> \mathbb{R} \setminus \{1, 2\}
x \neq -1, 0, 1 <=> (-\infty,-1)\cup(-1,0)\cup(0,1)\cup(1,\infty)
\begin{pmatrix}1\\2\end{pmatrix} <=> (1,2)
\begin{bmatrix} 1/2 \\ -3 \\ 0 \end{bmatrix} <=> \langle 0.5, -3, 0 \rangle
3 to 4 <=> 3:4
ΔABC <=> \Delta ABC
2\frac{3}{4} <=> 2.75
7 1/2 <=> \frac{15}{2}
3½ <=> 3.5
2\cdot\frac12 <=> 1
-2 1/4 <=> -2.25
1\frac{1}{2} <=> 1.5 hours
50\% <=> 0.5
50% <=> 50
33\frac13\% <=> \frac13
20 percent <=> 20\%
0.2 <=> 20\%
1,234,567 <=> 1234567
120{,}000 <=> 120000
1 234 567 <=> 1234567
345,678 <=> 345, 678
345,678 <=> 678, 345
12,345 dollars <=> 12345
(345,678) <=> (345, 678)
100,200,300 <=> 300, 200, 100
4,500 <=> 4500
9.8 <=> 9.8 m/s^2
9.8 <=> 9.8\ \mathrm{m/s^2}
9.8 m/s^2 <=> 9.8\,\text{m}/\text{s}^2
9.8 m s^{-2} <=> 9.8 m/s^2
5 cm <=> 5 centimeters
5 cm^3 <=> 5 cubic centimeters
5 cm² <=> 5 sq cm
45 <=> 45^\circ
45° <=> 45 degrees
45 <=> 45^{\circ}C
\$25 <=> 25
$25 <=> 25 dollars
\$25.50 <=> 25.5
3 million <=> 3000000
3 million dollars <=> \$3,000,000
5 dozen <=> 60
10:00 AM <=> 10 a.m.
3:4 <=> 3 : 4
(B) <=> B
B <=> B. 12
\text{(B)} <=> (B) 12
12 <=> (B) 12
\textbf{(E)} <=> E
D <=> D) 3
A <=> A: 7
\text{odd} <=> Odd
Alice <=> alice
Monday <=> \text{Monday}
xy <=> x y
xy <=> x \cdot y
2xy <=> 2yx
x+y <=> y+x
n \text{ is prime} <=> n is prime
1.5e-3 <=> 0.0015
1.5e-3 <=> 1.5\times10^{-3}
2e5 <=> 200000
2 e^5 <=> 2e^{5}
2\times10^5 <=> 2x10^5
1e3 <=> 1000
1.2E+4 <=> 12000
0.5 <=> \frac12
3.0 <=> 3
0.\overline{3} <=> 1/3
0.1\overline{6} <=> 1/6
infinity <=> \infty
\sqrt{12} <=> 2\sqrt3
\sqrt[3]{16} <=> 2\sqrt[3]{2}
x=-3 <=> -3
x = 5 \text{ cm} <=> 5
-3=x <=> x=-3
y=x^2 <=> x^2
x+y=3 <=> 2x+2y=6
2x=6 <=> x=3
x=2, y=3 <=> (2,3)
x=2,y=3 <=> y=3,x=2
x=1 \text{ or } x=2 <=> 1,2
x=1,2 <=> x=2,1
(3,\infty) <=> x>3
[3,\infty) <=> x\ge3
x>3 <=> 3<x
-1\le x\le 4 <=> [-1,4]
x<-2 \text{ or } x>2 <=> (-\infty,-2)\cup(2,\infty)
x \ne 0 <=> (-\infty,0)\cup(0,\infty)
\mathbb{R} <=> all real numbers
2x>6 <=> x>3
-x>3 <=> x<-3
\{1,2,3\} <=> 3,2,1
(1,2,3) <=> (1,2,3)
\emptyset <=> \{\}
\emptyset <=> no solution
1011_2 <=> 1011_{2}
1011_2 <=> 1011_{two}
(1011)_2 <=> 1011_2
1011_{\text{two}} <=> 1011_2
A3_{16} <=> A3_{16}
June 5 <=> June 5th
5 June <=> June 5
5\text{th} <=> 5
5^{\text{th}} <=> 5th
\pm 3 <=> 3,-3
x=\pm 3 <=> x=3 \text{ or } x=-3
2\pm\sqrt3 <=> 2+\sqrt3, 2-\sqrt3
\begin{bmatrix}1&0\\0&1\end{bmatrix} <=> \begin{pmatrix}1&0\\0&1\end{pmatrix}
\left[\begin{array}{cc}1&2\\3&4\end{array}\right] <=> \begin{bmatrix}1&2\\3&4\end{bmatrix}
\dfrac{x}{2} <=> x/2
\tfrac12 <=> 1/2
\left(\frac12,3\right) <=> (0.5,3)
x(x+1) <=> x^2+x
\sin^2 x+\cos^2 x <=> 1
\sin 2x <=> 2\sin x\cos x
\cos(x) <=> \cos x
\arctan 2 <=> \tan^{-1} 2
\log_{10} 2 <=> \log 2
e^x <=> \exp(x)
\ln(x^2) <=> 2\ln x
|x-1| <=> |1-x|
\binom{n}{2} <=> \frac{n(n-1)}{2}
\frac{1}{x+1} <=> 1/(x+1)
2^{10} <=> 1024
3^{2n} <=> 9^n
x_1+x_2 <=> x_2+x_1
-\frac{x}{y} <=> \frac{-x}{y}
\color{red}{7} <=> 7
\textcolor{blue}{7} <=> 7
\color{red}7 <=> 7
\mathrm{7} <=> 7
\boxed{7} <=> 7
7\! <=> 7
7 \\ <=> 7
\mathbf{x}+1 <=> x+1
\text{The final answer is }\boxed{12} <=> 12
7. <=> 7
**7** <=> 7
2x^2-3x+1 <=> 2x^{2} - 3x + 1
\frac{a}{b} <=> a/b
5\sqrt{3} \text{ inches} <=> 5\sqrt3
4\pi \text{ cm}^2 <=> 4\pi
6 or 7 <=> 7, 6
\frac{3}{4}\text{ cup} <=> 3/4
\int_0^1 x dx <=> 1/2
\sum_{k=1}^{3} k <=> 6
1-i <=> -i+1
3+4i <=> 4i+3
\angle ABC = 40^\circ <=> 40
7\text{ and }8 <=> 8, 7
k=7 <=> 7
P(A)=0.3 <=> 0.3
(x-2)(x+3) <=> x^2+x-6
\frac{\sqrt{2}}{2} <=> \frac{1}{\sqrt{2}}
\cot x <=> 1/\tan x
\text{C} <=> (C)
12 \text{ km per hour} <=> 12 km/h
-5 <=> (-5)
A\cup B <=> B\cup A
\$1.50 <=> $1.5
4! <=> 24
x^2 y <=> x^2y
4 2/3 <=> \frac{14}{3}
1.75 <=> 1\frac{3}{4}
1.75 <=> 1 + 3/4
-5/2 <=> -2 1/2
7/3 <=> 2 \frac13
7/3 <=> 2\dfrac{1}{3}
7/3 <=> 2\tfrac13
5 3/8 inches <=> 43/8
2 1/2 hours <=> 2.5
5⅓ <=> 16/3
72\% <=> 72
72\% <=> 0.72
72\% <=> \frac{18}{25}
72\% <=> 72\text{ percent}
72% <=> 72\ \%
6.25\% <=> 6.25 \%
6.25% <=> 1/16
x=20\% <=> 20
1{,}234{,}567 <=> 1234567
45\,000 <=> 45000
45 000 <=> 45000
1,234.56 <=> 1234.56
10,000,000 <=> 10^7
100,000 <=> 100000
12,500 m^2 <=> 12500
\$12,345.67 <=> 12345.67
(2,345) <=> (2, 345)
101,202 <=> 101, 202
101,202 <=> 202, 101
101,202 <=> 101202
\{101,202\} <=> 202,101
101,202,303 <=> 303, 202, 101
[101,202] <=> [101, 202]
x=101,202 <=> x=101, x=202
12 <=> 12 \text{ m}^3
12 <=> 12\,\mathrm{m}^{3}
12 <=> 12 ft
12 <=> 12 ft.
12 <=> 12ft
12 in^2 <=> 12 square inches
12 <=> 12 sq. units
12 <=> 12 units^2
12 <=> 12 kg·m/s
12 <=> 12\ \text{kg}\cdot\text{m}/\text{s}
12 <=> 12 miles per hour
12 <=> 12 mi/h
12 mph <=> 12 miles per hour
12 <=> 12 students
12 <=> 12 blue marbles
12 <=> 12 (students)
12 <=> \$12
12 <=> 12\$
12 <=> US\$12
12 <=> USD 12
12 <=> £12
12 <=> 12 L
12 <=> 12 g
12 <=> 12 s
12 <=> 12 Hz
12 <=> 12 N
12 <=> 12 cm cubed
12 \text{ cubic inches} <=> 12 in^3
3\pi <=> 3\pi \text{ square units}
\frac{3}{4} <=> \frac{3}{4} \text{ miles}
10^{-3} <=> 10^{-3} m
45 <=> 45 degrees
12 <=> 12 \mu m
12 <=> 12 people
12 <=> 12 per day
5 <=> 5 A
7:15 a.m. <=> 7:15 AM
7:15\text{ AM} <=> 7:15 am
7:05 <=> 7:5
7:15 A.M. <=> 7:15a.m.
\text{blue} <=> \textbf{Blue}
\text{Tom} <=> Tom.
\text{(D)} <=> \mathbf{(D)}
(D) <=> D)
D <=> \text{D}.
E <=> (E) none of these
no <=> No.
yes <=> Yes
false <=> False
\text{none} <=> None
\text{none} <=> no solution
\text{No solutions} <=> there are no solutions
\text{undefined} <=> Undefined
March 3rd <=> 3 March
A,C <=> A, C
\text{A, C} <=> A, C
A and C <=> A, C
Wednesday <=> wednesday
x\in(1,4) <=> (1,4)
x \in (1,4) <=> 1<x<4
(-\infty, 3) <=> x<3
(-\infty,3)\cup(3,\infty) <=> x\neq 3
(-\infty,3)\cup(3,\infty) <=> \mathbb{R}\setminus\{3\}
\{x \mid x>2\} <=> (2,\infty)
\{x : 0 \le x \le 1\} <=> [0,1]
\left[-1,\frac32\right) <=> [-1,1.5)
k\geq 2 <=> k>=2
x\le -1 \text{ or } x\ge 1 <=> (-\infty,-1]\cup[1,\infty)
(-\infty, \infty) <=> \mathbb{R}
(0,1) \cup (1,2) <=> (1,2)\cup(0,1)
m < 5 <=> 5 > m
(1,2) <=> 1<x<2
3,5 <=> 5 and 3
3,5 <=> 5, and 3
3,5 <=> x=3,5
3,5 <=> \{3,5\}
\{3,5\} <=> \{5,3\}
3,5 <=> 3 \text{ or } 5
\pm\sqrt{2} <=> \sqrt2,-\sqrt2
-1,2,3 <=> 3,2,-1
x=3 \text{ and } x=5 <=> 3,5
x_1=3,x_2=5 <=> 3,5
1\pm i <=> 1+i,1-i
\frac12,3 <=> 3,0.5
2\pm 3 <=> 5,-1
(1,-2,3) <=> \langle 1,-2,3\rangle
(3,4) <=> x=3,y=4
(3,4) <=> (x,y)=(3,4)
(0.5,1) <=> (\frac12,1)
(1,2),(2,1) <=> (2,1),(1,2)
(x,y)=(1,2) <=> (1,2)
(a,b,c)=(1,2,3) <=> (1,2,3)
(a,b)=(1,2) <=> a=1,b=2
(1,2) \text{ and } (3,4) <=> (3,4),(1,2)
6.02 \times 10^{23} <=> 6.02e23
6.02e23 <=> 6.02E+23
6.02e23 <=> 6.02*10^23
5e-4 <=> 0.0005
5e-4 <=> 5 \cdot 10^{-4}
1.38e-23 <=> 1.38 × 10^{-23}
1.38e-23 J/K <=> 1.38e-23
2.0e5 <=> 2e5
10^6 <=> 1000000
10^6 <=> 1e6
3.2\times10^4 <=> 32000
-.5 <=> -0.5
.25 <=> 1/4
3.50 <=> 3.5
007 <=> 7
+3 <=> 3
1.0 <=> 1
2. <=> 2
0.1 <=> .10
\frac{5}{6} <=> 5/6
\frac56 <=> {5\over6}
\frac{5}{6} <=> \frac{10}{12}
-\frac56 <=> -5/6
\frac{-5}{6} <=> -\frac{5}{6}
5/6 <=> 5÷6
\cfrac{5}{6} <=> 5/6
\frac{a+b}{2} <=> (a+b)/2
2-3i <=> -3i+2
i^2 <=> -1
\frac{1+i}{2} <=> 0.5+0.5i
e^{i\pi/2} <=> i
3i <=> 3\mathrm{i}
2\pi <=> 2π
\frac{\pi}{2} <=> pi/2
\frac{\pi}{2} <=> 0.5\pi
2\pi <=> 2 * pi
2\pi r <=> 2πr
3\sqrt5 <=> sqrt(45)
3\sqrt5 <=> \sqrt{45}
\sqrt[4]{8} <=> 8^{1/4}
3√5 <=> 3\sqrt{5}
√(5) <=> \sqrt5
\sqrt{5}/5 <=> 1/\sqrt5
sqrt(2)/2 <=> \frac{\sqrt2}{2}
\log_3 5 <=> \frac{\log 5}{\log 3}
ln 5 <=> \ln(5)
\tan^2 x <=> \sec^2 x-1
6! <=> 720
\binom{6}{3} <=> 20
{6 \choose 3} <=> 20
x²-1 <=> (x-1)(x+1)
x**3 <=> x^3
x^3 <=> x^{3}
2**n <=> 2^n
3*x <=> 3x
x*y <=> xy
ab <=> a*b
abc <=> a \cdot b \cdot c
a^{-1} <=> 1/a
x^{1/2} <=> \sqrt{x}
2^{-n} <=> 1/2^n
\exp(2) <=> e^2
\lfloor 2.7 \rfloor <=> 2
n(n+1)/2 <=> \frac{n^2+n}{2}
\sin\theta <=> \sin(\theta)
\sin 30^\circ <=> 1/2
\max(a,b) <=> \max(b,a)
\cos 2x <=> 1-2\sin^2 x
x^2+C <=> x^2+C
t=4 <=> 4
y=-x+2 <=> x+y=2
y=-x+2 <=> x+y-2=0
CD = 7 <=> 7
\angle XYZ=70^\circ <=> 70^\circ
a_{5}=16 <=> 16
xy=12 <=> 12
7 <=> 2+5=7
f(3)=7 <=> 7
g(x)=x^2 <=> x^2
P(x)=x+1 <=> x+1
0.25 <=> p = \frac14 = 0.25
≈2.71 <=> 2.71
x \approx 2.71 <=> 2.71
\text{Area}=12 <=> 12
\text{Area} = 12 \text{ cm}^2 <=> 12
(x-1)^2+(y-2)^2=9 <=> (y-2)^2+(x-1)^2=9
y=2x <=> 2y=4x
y^2=4x <=> x=y^2/4
x=y <=> y=x
x=1 <=> 1=x
1,3,5,\ldots <=> 1,3,5,...
\begin{pmatrix}1\\2\\3\end{pmatrix} <=> \begin{bmatrix} 1 \\ 2 \\ 3 \end{bmatrix}
\begin{pmatrix}0.5\\1\end{pmatrix} <=> \begin{pmatrix}\frac12\\1\end{pmatrix}
\begin{pmatrix} 1 & 2 \\ 3 & 4 \\ \end{pmatrix} <=> \begin{pmatrix}1&2\\3&4\end{pmatrix}
\left(\begin{array}{c}1\\2\end{array}\right) <=> \begin{pmatrix}1\\2\end{pmatrix}
11 <=> \mathit{11}
11 <=> \Large 11
11 <=> {\bf 11}
11 <=> \textstyle 11
11 <=> \;11\;
11 <=> ~11~
11 <=> 11\\
11 <=> \color{blue}{11}
11 <=> \color{blue} 11
11 <=> \boxed{11}
11 <=> \fbox{11}
11 <=> \[11\]
11 <=> \text{Final answer: }11
11 <=> The answer is 11
11 <=> \text{The answer is }11.
11 <=> answer = 11
11 <=> \{11\}
11 <=> ((11))
11 <=> \left\{11\right\}
11 <=> \phantom{0}11
11 <=> \hspace{2mm}11
11 <=> \underline{\underline{11}}
11 <=> "11"
11 <=> '11'
11 <=> `11`
11 <=> *11*
2 < x < 5 <=> 2<x<5
$x=1$, $y=2$ <=> x=1, y=2
$12$ or $13$ <=> 12, 13
$\sqrt{2}$ <=> \sqrt2
$a=1,b=2$ <=> (1,2)
$3\lfloor n/2\rfloor$ <=> 3\lfloor \frac n2 \rfloor
$\{1,2,3\}$ <=> 1,2,3
$\{x|x=2k+1,k\in\mathbb{Z}\}$ <=> \{x \mid x = 2k+1, k \in \mathbb{Z}\}
13,300,000 <=> 13300000
10, 1,000 <=> 1000, 10
5^{\text{nd}} <=> 5
3rd <=> 3
21^{st} <=> 21
45,678,912 <=> 45678912
\frac{dy}{dx}=3x <=> 3x
\sum_{k=1}^{4} k <=> 10
\lim_{x\to 0} \frac{\sin x}{x} <=> 1
"""
DIFFERENT = r"""
8.3 J/(mol K) <=> 8.3 J/mol K
8.3 J/(kg s) <=> 8.3 J/(kg m)
12 \Omega <=> 12 cm
12 \Omega <=> 12 k\Omega
3 M\Omega <=> 3 k\Omega
7 a day <=> 7 a week
x \neq 1, 2 <=> x \neq 1, 3
x \neq 1, 2 <=> x = 1, 2
x \neq 1, 2 <=> 1, 2
x \neq 1 or x \neq 2 <=> x \neq 1, 2
\begin{pmatrix}1\\2\end{pmatrix} <=> (2,1)
\begin{pmatrix}1\\2\end{pmatrix} <=> 1, 2
\begin{pmatrix}1\\2\end{pmatrix} <=> [1, 2]
\begin{vmatrix}1\\2\end{vmatrix} <=> (1,2)
3:4 <=> 4/3
3:4 <=> 6:8
7:05 <=> 7/5
3 to 4 <=> 4 to 3
ΔABC <=> ABC
20\% increase <=> 20\% decrease
20\% increase <=> 20\%
3 1/2 <=> 31/2
2 1/2 <=> 1
50% <=> 5
33.3% <=> 1/3
(345,678) <=> 345678
4,500 <=> 4, 500
9.8 m/s <=> 9.8 m/s^2
5 cm <=> 5 m
5 cm^2 <=> 5 cm^3
45^\circ <=> -45^\circ
25 dollars <=> 25 euros
£25 <=> €25
3 million <=> 3
2.5 billion <=> 2.5 million
10 a.m. <=> 10 p.m.
2:30 PM <=> 2:30 AM
3:4 <=> 3:5
12:05 <=> 12:50
(B) 12 <=> (D) 12
B <=> b
(B) <=> (A)
odd <=> even
neither <=> either
listen <=> silent
ab <=> ba
xy <=> yx
abc <=> cab
2e5 <=> 2e^5
3.14 <=> \pi
3.14159 <=> \pi
1.41 <=> \sqrt2
0.333333333 <=> 1/3
\infty <=> -\infty
\sqrt2 <=> -\sqrt2
x=5 <=> y=5
x=5 <=> x=6
y=3x+1 <=> y=3x-1
x^2+y^2=4 <=> 4
x=2, y=3 <=> (3,2)
p=1,q=2 <=> p=2,q=1
x>3 <=> x<3
-1<x\le 4 <=> [-1,4]
(1,2)\cup(3,4) <=> (1,2)\cup(3,4]
-x>3 <=> x>-3
(0,1] <=> (0,1)
\{1,2,3\} <=> \{1,2\}
(1,2,3) <=> (3,2,1)
(1,2) <=> [1,2]
(1,2) <=> \{1,2\}
\emptyset <=> 0
1011_2 <=> 1011_3
1011_2 <=> 1101_2
5^{th} <=> 6th
\pm3 <=> \pm 4
\frac{1\pm\sqrt5}{2} <=> \frac{1+\sqrt{5}}{2}
\begin{pmatrix}1&0\\0&1\end{pmatrix} <=> \begin{pmatrix}1&0\\0&-1\end{pmatrix}
f(2x) <=> 2f(x)
|x| <=> x
\sqrt{x^2} <=> x
n! <=> n
x^{10} <=> x^1 0
a_1 <=> a_2
2x^2-3x+1 <=> 2x^2+3x+1
x^{2023}-1 <=> x^{2023}
x^{2023}-1 <=> x^{2023}+1
10^{-8} <=> 10^{-9}
e^{-20} <=> e^{-21}
2^{2023}-1 <=> 2^{2023}
9^{9^{9^9}} <=> 2
\frac{10^9!}{2} <=> 3
a/b <=> b/a
4\pi cm^2 <=> 4\pi \text{ cm}^3
6 is even <=> 6 is odd
6 more <=> 6
6 or 7 <=> 6
y \equiv 2 \pmod 5 <=> y \equiv 3 \pmod 5
-1 <=> --1
1 <=> -1
x <=> -x
2i <=> 2
\overline{AB} <=> \overline{AC}
\triangle ABC <=> \triangle ACB
AB=5 <=> AC=5
10 apples <=> 10 oranges
east <=> west
true <=> false
Yes <=> no
5 hours 30 minutes <=> 5 hours 20 minutes
5 hours 30 minutes <=> 5 hours
3,4,5 <=> (3,4,5)
60^\circ <=> \frac{\pi}{3}
1:2:3 <=> 1:2:4
C <=> C_1
7 \mod 10 <=> 7
x^2+bx <=> x^2+cx
1,000,000 <=> 1,000,00
120,050 <=> 50, 120
x \to 3 <=> 3
\sum_{k=1}^{4} k <=> 11
13/3 <=> 3 1/3
72\% <=> 7.2
20% <=> -20%
-20% <=> 20% decrease
100,000 <=> 10000
(2,345) <=> 2345
3,456 <=> 3, 456
1,2,3,4 <=> 1234
12,13 <=> 1213
101, 202 <=> 101202
[101,202] <=> 101202
12 <=> 12x
12 <=> 12 x
12 <=> 12 + m
12 <=> 12n
12 \text{ dollars} <=> 12 \text{ cents}
12 <=> 12 or so
12 cm <=> 12 mm
12 <=> 12%o
0.5 <=> 50 cents
7:15 a.m. <=> 7:15 p.m.
7:15 <=> 7:51
noon <=> midnight
12:00 p.m. <=> noon
10:45 <=> 1:45
\text{blue} <=> red
\text{right triangle} <=> right
\text{March 3} <=> March 4
7 \text{ and } 9 <=> 9
A, B <=> B, A
I, II <=> I, III
XII <=> XI
\text{infinitely many solutions} <=> infinitely many
left <=> right
stressed <=> desserts
dog <=> god
evil <=> vile
\text{on} <=> no
is <=> si
TEN <=> NET
\text{if } x>0 <=> \text{if } x<0
x \text{ is odd} <=> x \text{ is not odd}
all integers <=> all positive integers
p \text{ prime} <=> p composite
\text{two} <=> \text{three}
two <=> 2
[1,4) <=> (1,4]
(-\infty,3) <=> x \le 3
(1,4) <=> (1,5)
(1,4) <=> (-1,4)
[0,\infty) <=> [0,\infty]
-3 \le y \le 3 <=> -3 < y < 3
1<x<2 <=> 1<y<2
3,5 <=> 3
3,5 <=> 3,5,7
\pm\sqrt2 <=> \sqrt2
-1,2,3 <=> 1,2,3
1\pm i <=> 1+i
3 \text{ and } 5 <=> 5
(1,-2) <=> (-2,1)
(3,4) <=> x=4,y=3
(1,2),(2,1) <=> (1,2)
(1,2) <=> 1,2
A(1,2) <=> (1,2)
u=1,v=2 <=> v=1,u=2
6.02e23 <=> 6.02e22
7e2 <=> 7e^2
0.67 <=> \frac23
0.142857 <=> 1/7
1.23 <=> 1.24
\frac{5}{6} <=> \frac{6}{5}
5/6 <=> 5:6
2-3i <=> 2+3i
3i <=> 3I
2\pi <=> 6.28
\pi/3 <=> 60
\sqrt{2}+\sqrt{3} <=> \sqrt{5}
\ln 5 <=> log(5)
C(6,3) <=> 20
\lfloor x\rfloor <=> \lceil x\rceil
x+c <=> x+C
a <=> b
\alpha <=> \beta
R <=> r
t=4 <=> t=-4
x+y=2 <=> x-y=2
7 <=> 2+5=8
f(x)=x^2 <=> f(x)=x^3
f(x)=x^2 <=> g(x)=x^2
0.25 <=> p=\frac14=0.75
The area is 12 <=> 12
(x-1)^2+(y-2)^2=9 <=> (x+1)^2+(y-2)^2=9
y=2x <=> y=-2x
1,3,5,\ldots <=> 1,3,7,\ldots
1,3,5,\dots <=> 1,3,5
\begin{pmatrix}1&0\\2&3\end{pmatrix} <=> \begin{pmatrix}1&2\\0&3\end{pmatrix}
\begin{vmatrix}1&2\\3&4\end{vmatrix} <=> \begin{pmatrix}1&2\\3&4\end{pmatrix}
11 <=> [11]
11 <=> \mathbb{11}
11 <=> \overline{11}
11 <=> 11!
11 <=> -11
11 <=> 1.1
11 <=> 11^2
x \neq 1 <=> x \ne -1
2<x<5 <=> 2<x\le5
$n^2-1$ for all $n$ <=> n^2-1
$2^{100}$ <=> 2^{101}
\frac{2022}{2023} <=> \frac{2022}{2024}
$2^{n}-1$ <=> 2^n+1
\text{Alice and Bob} <=> \text{Alice and Carl}
1:2 <=> 2:1
a:b <=> b:a
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(known, stated) for line in text.strip().splitlines() for known, _, stated in [line.partition(" <=> ")]]


@pytest.mark.parametrize(("known", "stated"), pairs(EQUAL))
def test_equal(known: str, stated: str) -> None:
    assert (compare(known, stated), compare(stated, known)) == ("", "")


@pytest.mark.parametrize(("known", "stated"), pairs(DIFFERENT))
def test_different(known: str, stated: str) -> None:
    assert compare(known, stated).startswith("answers ")
    assert compare(stated, known).startswith("answers ")
